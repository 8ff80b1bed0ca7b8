"""Reading calls of Python, Node, Ruby and PHP: `client.verify.v2.services(sid).verifications.create(…)`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from keys_app.permissions.catalogue import Catalogue

from .endpoints import Endpoint, find_call, hosts, outcome, sdk_name, unknown_call
from .model import Suggestion
from .sdk_clients import Client, Clients, Link, chain_at
from .sdk_names import CREATE, DELETE, FETCH, LIST, UPDATE, Operation, fits
from .sdk_source import SourceCode

_OPERATIONS = {
    "create": CREATE,
    "list": LIST,
    "read": LIST,
    "stream": LIST,
    "page": LIST,
    "each": LIST,
    "getpage": LIST,
    "fetch": FETCH,
    "update": UPDATE,
    "delete": DELETE,
    "remove": DELETE,
}
_ENDING = re.compile(r"(?:withhttpinfo|withmetadata)?(?:async)?\Z")
_CONTEXT = frozenset({"get", "getcontext", "context"})  # messages.get(sid) is messages(sid)
_VERSION = re.compile(r"v\d{1,4}")
_START = re.compile(r"(?<![\w$@.\\])(?<!->)(?<!::)[\\$@]{0,2}(?P<name>[A-Za-z_]\w*)")
_MOST_SHOWN = 30
# Attributes of the package and of the client itself, which are no resources.
_OTHER = frozenset(
    {"rest", "twiml", "jwt", "base", "http", "httpclient", "username", "password", "request", "region", "edge", "new"}
)


@dataclass(frozen=True, slots=True)
class _ChainCall:
    """A chain of a client: its names, each with `()` if it was called with arguments, and the operation."""

    client: Client
    names: tuple[str, ...]
    shown: str
    operation: Operation | None
    opening: int
    doubtful: bool  # `messages()`, as no client of Twilio has it, or a call that is cut off before its arguments end

    @property
    def host(self) -> str:
        return self.names[0] if self.names[0] in hosts() else "api"

    @property
    def version(self) -> str:
        rest = self.names[1:2] if self.names[0] in hosts() else self.names[:1]
        return rest[0] if rest and _VERSION.fullmatch(rest[0]) else ""

    @property
    def resource(self) -> tuple[str, ...]:
        """The names without host, version and account."""
        rest = self.names[1:] if self.names[0] in hosts() else self.names
        rest = rest[1:] if self.version else rest
        return rest[1:] if self.host == "api" and len(rest) > 1 and rest[0] in ("account", "accounts()") else rest

    def endpoint(self) -> Endpoint | None:
        found = find_call(self.host, self.version, self.resource) if self.operation and self.resource else None
        whole = found is not None and found.path.endswith("/**")
        return found if found and self.operation and (whole or fits(found, self.operation)) else None


@dataclass(slots=True)
class _Reader:
    """Reads one paste from its beginning to its end."""

    source: SourceCode
    known: Catalogue
    clients: Clients = field(init=False)
    _unfinished: dict[tuple[str, ...], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clients = Clients(self.source)

    def read(self) -> Iterator[Suggestion | str]:
        for match in _START.finditer(self.source.code):
            links, end = chain_at(self.source, match.start())
            links = _as_contexts(links)
            call = self._call(links)
            held, item = _held(call, links) if call else (None, None)
            kept = self.clients.note(links, match.start(), end, held, item)
            if call and (result := self._result(call, kept)):
                yield result
        yield from self._unfinished.values()

    def _call(self, links: list[Link]) -> _ChainCall | None:
        root = self.clients.root(links) or _spelled_out(links)
        if root is None:
            return None
        client, place = root
        if place < len(links) and links[place].name[0].isupper():  # Go, or a class
            return None
        end = next((at for at in range(place, len(links)) if _operation(links[at].plain)), len(links))
        names = (*client.names, *(link.plain + "()" * link.given for link in links[place:end]))
        operation = _operation(links[end].plain) if end < len(links) else None
        self._unfinished.pop(client.names, None)
        shown = _shown([*client.names, *(link.plain for link in links[place : end + 1])])
        empty = any(link.calls and not link.given for link in links[place:end])
        doubtful = empty or (operation is not None and links[end].cut_off)
        return _ChainCall(client, names, shown, operation, links[end].opening if operation else -1, doubtful)

    def _result(self, call: _ChainCall, kept: bool) -> Suggestion | str:
        if not call.names or call.names[0] in _OTHER:
            return ""
        if call.operation is None:
            if call.names[-1].endswith("()") and call.names != call.client.names and _is_known(call.names[0]):
                self._unfinished[call.names] = f"{call.shown} ends without an operation, such as create or list."
            return ""
        if not call.client.proved and (self._has_words_of_another(call) or (call.doubtful and not call.version)):
            return ""
        endpoint = call.endpoint()
        if endpoint is None:
            return unknown_call(call.shown, call.host, call.version, call.resource, self.known)
        return outcome(call.operation.method, endpoint, self.known)

    def _has_words_of_another(self, call: _ChainCall) -> bool:
        """Tell whether a call has an argument that no operation of Twilio's has: `model=` is for another service."""
        keys = self.source.keys(call.opening) if call.opening >= 0 else []
        return any(sdk_name(key) not in _parameters() for key in keys)


def read_chains(source: SourceCode, known: Catalogue) -> Iterator[Suggestion | str]:
    """Yield what each call of a client of Twilio leads to."""
    yield from _Reader(source, known).read()


def _operation(plain: str) -> Operation | None:
    return _OPERATIONS.get(_ENDING.sub("", plain))


def _as_contexts(links: list[Link]) -> list[Link]:
    """Return the links with `messages.get(sid)` as `messages(sid)`."""
    found: list[Link] = []
    for link in links:
        if link.plain in _CONTEXT and link.given and len(found) > 1 and not found[-1].calls:
            found[-1] = Link(found[-1].name, link.opening, True, 1)
        else:
            found.append(link)
    return found


def _spelled_out(links: list[Link]) -> tuple[Client, int] | None:
    """Return a client under any name if its host and version follow, as only Twilio's SDKs have them."""
    spelled = len(links) > 3 and links[1].plain in hosts() and _VERSION.fullmatch(links[2].plain)
    return (Client(False), 1) if spelled else None


def _held(call: _ChainCall, links: list[Link]) -> tuple[Client | None, Client | None]:
    """Return what a variable holds that is assigned a chain, and what one of the things it lists is."""
    proved = call.client.proved
    if call.operation is None:
        return Client(proved, call.names), None
    if not call.names or not _operation(links[-1].plain):
        return None, None
    one = Client(proved, (*call.names[:-1], call.names[-1].removesuffix("()") + "()"))
    if call.operation is LIST:
        return (one, None) if links[-1].indexed else (None, one)
    return (None if call.operation is DELETE else one), None


def _is_known(name: str) -> bool:
    return name in hosts() or find_call("api", "", (name,)) is not None


def _shown(names: list[str]) -> str:
    return "client." + ".".join(name if len(name) <= _MOST_SHOWN else "…" for name in names)


@cache
def _parameters() -> frozenset[str]:
    """Return what the arguments of the SDKs' operations are called."""
    text = resources.files("keys_app.permissions").joinpath("data", "sdk_parameters.txt").read_text(encoding="utf-8")
    return frozenset(sdk_name(word) for word in text.split())
