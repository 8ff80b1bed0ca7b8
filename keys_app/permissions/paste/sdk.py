"""Reading calls of the official SDKs: `client.messages.create(…)` in Python, Node and others of the same form."""

import re
from collections.abc import Iterator

from keys_app.permissions.catalogue import Catalogue

from .endpoints import find_call, hosts, outcome, sdk_name, unknown_call
from .model import Suggestion

_METHODS = {
    "create": "POST",
    "update": "POST",
    "fetch": "GET",
    "get": "GET",
    "list": "GET",
    "stream": "GET",
    "page": "GET",
    "each": "GET",
    "getpage": "GET",
    "delete": "DELETE",
    "remove": "DELETE",
}
_ROOT = re.compile(
    r"(?<![\w.>])(?:require\([\"']twilio[\"']\)|(?:(?:self|this|app)(?:\.|->))?_?(?:\w{0,30}client|twilio)\b)",
    re.IGNORECASE,
)
_LINK = re.compile(r"\s{0,200}(?:\\\s{0,200})?(?:\?\.|->|\.)\s{0,200}(?P<name>[A-Za-z]\w*)")
_VERSION = re.compile(r"v\d{1,4}")
_OPENING = {"(": ")", "[": "]", "{": "}"}
_MOST_LINKS = 16  # the longest chain of the SDKs has fewer
_MOST_SHOWN = 30
# Attributes of the package and of the client itself, which are no resources.
_OTHER = frozenset(
    {"rest", "twiml", "jwt", "base", "http", "httpclient", "username", "password", "request", "region", "edge", "new"}
)


def read_sdk(text: str, known: Catalogue) -> Iterator[Suggestion | str]:
    """Yield what each call of a Twilio client in `text` leads to."""
    closing = _closing_brackets(text)
    for match in _ROOT.finditer(text):
        chain = _chain(text, match.end(), closing)
        if chain and chain[0][0] not in _OTHER:
            result = _map(chain, known)
            if result:
                yield result


def _closing_brackets(text: str) -> dict[int, int]:
    """Return where each opening parenthesis closes, in one pass that passes over strings."""
    found: dict[int, int] = {}
    still_open: list[int] = []
    place = 0
    while place < len(text):
        char = text[place]
        if char in "\"'`":
            place = _string_end(text, place)
        elif char in _OPENING:
            still_open.append(place)
        elif still_open and char == _OPENING[text[still_open[-1]]]:
            found[still_open.pop()] = place
        place += 1
    return found


def _string_end(text: str, place: int) -> int:
    """Return where the string at `place` closes; `place` itself if it does not on its line (an apostrophe)."""
    end = place + 1
    while end < len(text) and text[end] != "\n":
        if text[end] == text[place]:
            return end
        end += 2 if text[end] == "\\" else 1
    return place


Chain = list[tuple[str, bool]]


def _chain(text: str, place: int, closing: dict[int, int]) -> Chain:
    """Return the names after a client, each with whether it was called with arguments, up to the operation."""
    chain: Chain = []
    place, _ = _after_call(text, place, closing)
    while len(chain) < _MOST_LINKS and (link := _LINK.match(text, place)):
        place, arguments = _after_call(text, link.end(), closing)
        chain.append((sdk_name(link["name"]), arguments))
        if _operation(chain[-1][0]):
            break
    return chain


def _after_call(text: str, place: int, closing: dict[int, int]) -> tuple[int, bool]:
    """Return where a call that starts at `place` ends, and whether it has arguments; `place` if there is none."""
    start = place
    while start < len(text) and text[start] in " \t" and start < place + 5:
        start += 1
    end = closing.get(start)
    if end is None or text[start] != "(":
        return place, False
    return end + 1, not text[start + 1 : min(end, start + 200)].isspace() and end > start + 1


def _operation(name: str) -> str:
    name = name.removesuffix("async").removesuffix("withhttpinfo")
    return _METHODS.get(name, "")


def _map(chain: Chain, known: Catalogue) -> Suggestion | str:
    """Return what a chain leads to; empty for what is no call of the API at all."""
    method = _operation(chain[-1][0])
    names = [name + ("()" if arguments else "") for name, arguments in (chain[:-1] if method else chain)]
    if not names:
        return ""
    first = names[0]
    host = first if first in hosts() else "api"
    rest = names[1:] if first in hosts() else names
    version = ""
    if rest and _VERSION.fullmatch(rest[0]):
        version, rest = rest[0], rest[1:]
    if host == "api" and len(rest) > 1 and rest[0] in ("account", "accounts()"):
        rest = rest[1:]
    if not method:
        known_name = first in hosts() or find_call("api", "", (first,)) is not None
        return f"{_shown(chain)} ends without an operation, such as create or list." if known_name else ""
    endpoint = find_call(host, version, tuple(rest))
    if endpoint is None:
        return unknown_call(_shown(chain), host, version, tuple(rest), known)
    return outcome(method, endpoint, known)


def _shown(chain: Chain) -> str:
    return "client." + ".".join(name if len(name) <= _MOST_SHOWN else "…" for name, _ in chain)
