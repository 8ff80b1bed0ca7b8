"""Which expressions of pasted code are a client of Twilio, or a part of one that a variable holds.

Evidence is what makes a client (its class, a call with `twilio` in its name, the module it is imported from) and what
a variable was last assigned. A variable called `client` that the paste doesn't assign is taken for one, but not
against evidence: it is not `proved`.
"""

import re
from dataclasses import dataclass, field, replace

from .endpoints import sdk_name
from .sdk_imports import Imports, imports_of, is_anothers, is_twilios
from .sdk_source import SourceCode

_MOST_LINKS = 16  # the longest chain of the SDKs has fewer
_LONGEST_NAME = 40
_REACH = 80
_OWN = frozenset({"self", "this", "cls", "app"})
_BLOCKS = frozenset({"else", "try", "finally", "default", "lambda"})  # a colon follows them as it follows a variable
# What a variable is called that is taken for a client of Twilio, if nothing says that it is another's.
_NAMED = re.compile(
    r"(?:build|create|get|init|make)?(?:a?sync|account|admin|api|main|messaging|my|phone|rest|sms|sub|subaccount|t|tw|verify|voice|whatsapp)?client"
)
_OPTIONS = frozenset(
    ["username", "password", "accountsid", "region", "edge", "environment", "httpclient", "useragentextensions"]
)
_PACKAGE = frozenset({"rest", "client", "new", "twilio", "default"})
_LINK = re.compile(r"\s{0,200}(?:\\\s{1,200})?(?:[?!&]?\.|\??->|::|\\(?=\w))\s{0,200}[$@#]?(?P<name>[A-Za-z_]\w*)")
_NAME = re.compile(r"[\\$@]{0,2}(?P<name>[A-Za-z_]\w*)")
_ASSIGNED = re.compile(
    r"[ \t]{0,9}(?::[ \t]{0,9}[\w.\[\]| ]{1,60}?)?\s{0,9}(?:\|\||\?\?|:)?=(?![=>~])"
    r"(?P<value>\s{0,99}(?:(?:await|new|yield)\s{1,99}|\(\s{0,99}(?:0,\s{0,9})?){0,4})"
)
_ANNOTATED = re.compile(r"[ \t]{0,9}:[ \t]{0,9}[\"']?(?P<type>[A-Za-z_][\w.]{0,60})")
_LOOP = re.compile(
    r"\bfor(?:\s{0,9}await)?\s{0,9}\(?\s{0,9}(?:(?:const|let|var)\s{1,9})?(?P<name>[\w$]{1,40})\s{1,9}(?:in|of)\s{1,9}"
    r"(?:await\s{1,9})?\Z"
)
_BOUND_AFTER = re.compile(r"\s{1,9}as\s{1,9}\$?(?P<name>\w{1,40})")
_SPACE = re.compile(r"[ \t]{0,4}")


@dataclass(frozen=True, slots=True)
class Link:
    """A name of a chain, as it is written and as the SDKs share it, and how it was called."""

    name: str
    opening: int = -1  # where the parenthesis of its last call is
    given: bool = False  # whether that call has arguments
    calls: int = 0
    indexed: bool = False
    cut_off: bool = False  # what was pasted ends in the middle of its call

    @property
    def plain(self) -> str:
        return sdk_name(self.name)


@dataclass(frozen=True, slots=True)
class Client:
    """A client of Twilio, or the part of it that `names` lead to, each with `()` if it was called with arguments.

    One that is `listed` is a list of such parts.
    """

    proved: bool
    names: tuple[str, ...] = ()
    listed: bool = False


def chain_at(source: SourceCode, place: int) -> tuple[list[Link], int]:
    """Return the names that are linked from `place` on, and where they end."""
    links: list[Link] = []
    while len(links) < _MOST_LINKS and (match := (_LINK if links else _NAME).match(source.code, place)):
        link, place = _called(source, match["name"], match.end())
        links.append(link)
        if link.calls and len(links) <= 4:
            place = _after_group(source, place)
    return links, place


def _called(source: SourceCode, name: str, place: int) -> tuple[Link, int]:
    opening, calls, cut_off = -1, 0, False
    while calls < 3:
        space = _SPACE.match(source.code, place)
        start = space.end() if space and not calls else place
        cut_off = source.code[start : start + 1] == "(" and start not in source.closing
        if cut_off or source.code[start : start + 1] != "(":
            break
        opening, place, calls = start, source.closing[start] + 1, calls + 1
    inside = source.code[opening + 1 : min(place - 1, opening + 200)] if calls else ""
    indexed = source.code[place : place + 1] == "[" and place in source.closing
    place = source.closing[place] + 1 if indexed else place
    return Link(name, opening, bool(inside.strip()), calls, indexed, cut_off), place


def _after_group(source: SourceCode, place: int) -> int:
    """Return the place behind a parenthesis that closes around what was made: `(new Client(…))->messages`."""
    group = _GROUP.match(source.code, place)
    if not group:
        return place
    opening = source.opening.get(group.end() - 1, 0)
    alone = not re.match(r"[\w)\]]", source.code[opening - 1 : opening] if opening else "")
    return group.end() if alone else place


_GROUP = re.compile(r"\s{0,9}\)(?=\s{0,99}(?:[?!&]?\.|\??->))")


@dataclass(slots=True)
class Clients:
    """Which variables hold a client, a part of one, or (None) something else, as far as the code has been read."""

    source: SourceCode
    imports: Imports = field(init=False)
    _held: dict[str, Client | None] = field(default_factory=dict)
    _pending: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.imports = imports_of(self.source)

    def root(self, links: list[Link]) -> tuple[Client, int] | None:
        """Return the client that a chain begins with, and how many of its links that takes."""
        first = 1 if len(links) > 1 and links[0].plain in _OWN else 0
        for count in range(min(3, len(links) - first), 0, -1):
            name = _key(links[first : first + count])
            if name in self._held:
                held = _one_of(self._held[name], links[first + count - 1])
                return (held, first + count) if held else None
        return self._made(links, first) or self._by_its_name(links, first)

    def _listed(self, links: list[Link]) -> Client | None:
        """Return what a variable lists, if `links` are that variable and nothing else."""
        held = self._held.get(_key(links[1:] if links[0].plain in _OWN else links))
        return replace(held, listed=False) if held and held.listed and not links[-1].indexed else None

    def _made(self, links: list[Link], first: int) -> tuple[Client, int] | None:
        for place in range(len(links) - 1, first - 1, -1):
            is_package = place > 0 and links[place - 1].name == "com"
            if not is_package and self._makes_client(links[place], place == first):
                end = place + 1
                while end < len(links) and links[end].plain in _PACKAGE:
                    end += 1
                proved = links[place].name == "require" or self.imports.is_twilios_name(links[place].name)
                return (Client(proved), end) if proved or not self.imports.only_another else None
        return None

    def _makes_client(self, link: Link, is_first: bool) -> bool:
        if link.name == "require":
            return link.calls > 1 and self._required(link)
        if is_twilios(link.name):
            return len(link.name) <= _LONGEST_NAME
        if not is_first or not link.calls or not self.imports.makes_client(link.name):
            return False
        keys = {sdk_name(key) for key in self.source.keys(link.opening)}
        return link.name in self.imports.names or keys <= _OPTIONS

    def _required(self, link: Link) -> bool:
        text = self.source.text
        start = text.rfind("require", 0, link.opening)
        return bool(_REQUIRED.match(text, start)) if start >= 0 else False

    def _by_its_name(self, links: list[Link], first: int) -> tuple[Client, int] | None:
        link = links[first]
        named = _NAMED.fullmatch(link.plain) and not link.name[0].isupper()
        if not named or self.imports.only_another:
            return None
        return Client(self.imports.has_twilio and not self.imports.has_another), first + 1

    def note(self, links: list[Link], start: int, end: int, held: Client | None, item: Client | None) -> bool:
        """Note which variable now holds what the chain from `start` to `end` comes to; tell whether one does.

        `held` is what the chain leads to, or None; `item` what one of the things it lists is.
        """
        code = self.source.code
        item = item or self._listed(links)
        if start in self._pending:
            self._hold(self._pending.pop(start), links, held or (replace(item, listed=True) if item else None))
            return True
        if loop := _LOOP.search(code, max(0, start - _REACH), start):
            self._held[sdk_name(loop["name"])] = item
            return True
        if (item or held) and (after := _BOUND_AFTER.match(code, end)):
            self._held[sdk_name(after["name"])] = item or held
            return True
        if links[0].name not in _BLOCKS and not any(link.calls for link in links):
            self._note_target(links, start, end)
        return False

    def _note_target(self, links: list[Link], start: int, end: int) -> None:
        code = self.source.code
        name = _key(links[1:] if len(links) > 1 and links[0].plain in _OWN else links)
        assigned = _ASSIGNED.match(code, end)
        if assigned and not self.source.is_argument(start):
            if _NAME.match(code, assigned.end()):
                self._pending.setdefault(assigned.end(), name)
            else:
                self._held[name] = None
        elif annotated := _ANNOTATED.match(code, end):
            kind = annotated["type"].rpartition(".")[2]
            if self.imports.makes_client(kind) or is_twilios(annotated["type"]):
                self._held[name] = Client(True)
            elif name.endswith("client") and kind[0].isupper():
                self._held[name] = None

    def _hold(self, name: str, links: list[Link], held: Client | None) -> None:
        last = links[-1]
        if held is None and any(is_twilios(link.name) and link.calls for link in links):
            held = Client(True)
        wrapped = last.plain.endswith("client") and not (last.name[0].isupper() and last.calls)
        if held is None and wrapped and not any(is_anothers(link.name) for link in links):
            self._held.pop(name, None)  # client = get_client(): whose it is, is not in the paste
        else:
            self._held[name] = held


_REQUIRED = re.compile(r"require\s{0,9}\(\s{0,9}[\"']twilio[\"']")


def _one_of(held: Client | None, link: Link) -> Client | None:
    """Return what a use of a variable is: `calls(sid)` of `calls = client.calls`, or `found[0]` of a list."""
    if held is None or held.listed != link.indexed:
        return None
    if link.given and held.names:
        return replace(held, names=(*held.names[:-1], f"{held.names[-1].removesuffix('()')}()"))
    return replace(held, listed=False)


def _key(links: list[Link]) -> str:
    return ".".join(link.plain for link in links)
