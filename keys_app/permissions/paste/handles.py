"""Requests that are put together in several statements: `curl_setopt`, `req.Method = "POST"`, `setRequestMethod`."""

import re
from collections.abc import Iterator

from .arguments import Given, Range
from .calls import Call
from .code import Arguments, Chain, Code
from .names import bare
from .values import Values

_MAKERS = re.compile(
    r"(?P<php>curl_init|curl_easy_init)"
    r"|(?P<java>.*openconnection)"
    r"|(?P<net>(?:system\.net\.)?(?:http)?webrequest\.create(?:http)?)"
    r"|(?P<swift>(?:ns)?(?:mutable)?urlrequest)",
    re.IGNORECASE,
)
_SENT = {
    "java": re.compile(r"getinputstream|getresponsecode|\.connect\b|content", re.IGNORECASE),
    "net": re.compile(r"GetResponse"),
    "swift": re.compile(r"dataTask|\bdata\(|\bupload\(|sendSynchronous"),
    "php": re.compile(r"curl_(?:easy_)?(?:exec|perform)|curl_multi"),
}
_SET = re.compile(r"curl_(?:easy_)?setopt(?P<all>_array)?")
_BODY = frozenset({"CURLOPT_POST", "CURLOPT_POSTFIELDS", "CURLOPT_COPYPOSTFIELDS"})
_METHODS = {"CURLOPT_PUT": "PUT", "CURLOPT_UPLOAD": "PUT", "CURLOPT_NOBODY": "HEAD", "?": ""}
"""What other settings make of a request; `?` stands for settings that are not in the paste."""
_OFF = frozenset({"false", "0", "0L"})


class Handles:
    """Finds requests by the variable that each is kept in."""

    def __init__(self, code: Code, values: Values) -> None:
        self.code, self.values = code, values
        self.given = Given(code, values)
        self._settings: dict[str, list[tuple[str, Range]]] = {}
        self._methods: dict[str, list[tuple[str, Range]]] = {}

    def find(self) -> Iterator[Call]:
        """Yield each request of which all statements are understood."""
        makers: list[tuple[Chain, str]] = []
        for chain in self.code.chains.values():
            found = _MAKERS.fullmatch(chain.name.removesuffix("()"))
            if found and found.lastgroup and chain.links[-1].opening >= 0:
                makers.append((chain, found.lastgroup))
            elif (setter := _SET.fullmatch(chain.links[0].name)) and chain.links[0].opening >= 0:
                self._note(self.code.arguments(chain.links[0].opening), bool(setter["all"]), chain.start)
            elif len(chain.links) == 2 and chain.links[1].opening >= 0:
                places = self.code.arguments(chain.links[1].opening).places
                if places:
                    name = bare(chain.links[0].name)
                    self._methods.setdefault(name, []).append((chain.links[1].name.lower(), places[0]))
        targets = [self.values.names.assigned_to(chain.start) for chain, _ in makers]
        for (chain, kind), target in zip(makers, targets, strict=True):
            if target and targets.count(target) == 1 and (found_call := self._read(chain, kind, target)):
                yield found_call

    def _note(self, given: Arguments, several: bool, at: int) -> None:
        if not given.places:
            return
        handle = bare(self.code.word(given.places[0][0]))
        settings = self._settings.setdefault(handle, [])
        if several and len(given.places) == 2:
            table = self.given.table(given.places[1])
            for name, place in table.names.items() if table else [("?", (at, at))]:
                settings.append((name, place))
        elif len(given.places) == 3:
            settings.append((self.code.word(given.places[1][0]), given.places[2]))

    def _read(self, chain: Chain, kind: str, target: str) -> Call | None:
        if kind == "php":
            method, address = self._curl(chain, target)
        else:
            address = self._address_in(chain)
            method = self._method_of(target, kind)
        return Call(method, address, self.code.tokens[chain.start].start) if method and address else None

    def _address_in(self, chain: Chain) -> str:
        for _, given in self.code.called_with(chain):
            places = [*given.places[:1], *given.names.values()]
            found = next((address for place in places if (address := self.given.address(place))), "")
            if found:
                return found
        names = ".".join(link.name for link in chain.links[:-1])
        known = self.values.variable(names, chain.start) if names else None
        return known if known and "twilio.com" in known else ""

    def _method_of(self, target: str, kind: str) -> str:
        found: set[str] = set()
        for assigned in self.values.names.attributes(target):
            if assigned.name.rpartition(".")[2].lower() in ("method", "httpmethod"):
                found.add(self.given.method((assigned.start, assigned.end)))
        writes = False
        for name, place in self._methods.get(target, []):
            if name in ("setrequestmethod", "sethttpmethod"):
                found.add(self.given.method(place))
            writes = writes or name == "setdooutput"
        if len(found) == 1:
            return found.pop()
        if found:
            return ""
        if writes:
            return "POST"
        return self.code.default if _SENT[kind].search(self.code.text) else ""

    def _curl(self, chain: Chain, target: str) -> tuple[str, str]:
        """Return what PHP's or C's curl sends: a custom method, else POST with a body, else GET."""
        address = self._address_in(chain)
        methods: set[str] = set()
        body = False
        for name, place in self._settings.get(target, []):
            if name == "CURLOPT_URL":
                address = self.given.address(place)
            elif name == "CURLOPT_CUSTOMREQUEST":
                methods.add(self.given.method(place))
            elif name in _BODY:
                body = body or self.code.word(place[0]) not in _OFF
            elif name in _METHODS:
                methods.add(_METHODS[name])
        if methods:
            return (methods.pop() if len(methods) == 1 else ""), address
        if body:
            return "POST", address
        return (self.code.default if _SENT["php"].search(self.code.text) else ""), address
