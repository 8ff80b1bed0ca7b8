"""Requests that are written as data: JSON of Postman, HAR, Insomnia and n8n, objects of code, YAML, OpenAPI."""

import re
from collections.abc import Iterator

from . import clients
from .arguments import Given
from .calls import Call
from .code import Arguments, Chain, Code
from .pieces import HOLE
from .values import Values, join

_METHOD_KEYS = ("method", "requestmethod", "httpmethod", "verb")
_URL_KEYS = ("url", "uri", "endpoint")
_VERB = re.compile(clients.METHODS, re.IGNORECASE)
_MOST_PATHS = 40


class Tables:
    """Finds requests in objects, wherever they stand."""

    def __init__(self, code: Code, values: Values) -> None:
        self.code, self.values = code, values
        self.given = Given(code, values)
        self._callers: dict[int, Chain] = {}
        for chain in code.chains.values():
            for link in chain.links:
                if link.opening >= 0:
                    self._callers[link.opening] = chain

    def find(self) -> Iterator[Call]:
        """Yield each request of which method and address stand side by side."""
        servers = self._servers()
        for index, token in enumerate(self.code.tokens):
            if token.kind != "sign" or token.text not in ("{", "[") or token.partner < 0:
                continue
            if index in self._callers or self._is_checked(token.parent):
                continue
            given = self.code.arguments(index)
            method = self.given.keyed(given, _METHOD_KEYS)
            if method and self.given.method(method):
                address = self._address(given)
                if address:
                    yield Call(self.given.method(method), address, token.start)
            yield from self._paths(given, servers, token.start)

    def _is_checked(self, parent: int) -> bool:
        """Tell whether an object is an argument of what only checks or pretends, such as `nock` or `expect`."""
        chain = self._callers.get(parent)
        return chain is not None and any(clients.NO_RECEIVER.fullmatch(link.name) for link in chain.links[:8])

    def _address(self, given: Arguments) -> str:
        place = self.given.keyed(given, _URL_KEYS)
        if place is None:
            return self.given.keyed_address(given)
        table = self.given.table(place, follow=False)
        return self.given.address(place, None, given) if table is None else self._in_parts(table)

    def _in_parts(self, table: Arguments) -> str:
        """Return the address of Postman's `{"raw": …, "host": […], "path": […]}`."""
        if raw := table.names.get("raw"):
            return self.given.address(raw)
        pieces = {name: self._listed(table, name) for name in ("host", "path")}
        if not pieces["host"] or not pieces["path"]:
            return ""
        host = ".".join(pieces["host"])
        address = join(host, "/".join(pieces["path"]))
        return address if ".twilio.com/" in address else ""

    def _listed(self, table: Arguments, name: str) -> list[str]:
        place = table.names.get(name)
        if not place:
            return []
        listed = self.given.table(place, follow=False)
        if listed is None:
            return [self.values.text(*place) or HOLE]
        return [HOLE if text.startswith(":") else text for at in listed.places if (text := self.values.text(*at))]

    def _servers(self) -> list[str]:
        found = []
        for index, token in enumerate(self.code.tokens):
            if token.text == "servers" and self.code.sign(index + 2) == "[" and self.code.closed(index + 2) >= 0:
                for place in self.code.arguments(index + 2).places:
                    table = self.given.table(place)
                    if table and "url" in table.names:
                        found.append(self.values.text(*table.names["url"]) or "")
        return found

    def _paths(self, given: Arguments, servers: list[str], place: int) -> Iterator[Call]:
        """Yield the operations of an OpenAPI document: `{"/path": {"post": {…}}}`."""
        for path, item in list(given.names.items())[:_MOST_PATHS]:
            table = self.given.table(item, follow=False) if path.startswith("/") else None
            for verb in table.names if table else ():
                if _VERB.fullmatch(verb) and (address := under_servers(path, servers)):
                    yield Call(verb.upper(), address, place)


def under_servers(path: str, servers: list[str]) -> str:
    """Return an OpenAPI path under the one server its document names, with a hole for each `{…}`."""
    path = re.sub(r"\{[^{}/]*\}", HOLE, path)
    named = set(servers)
    if len(named) == 1:
        return join(named.pop(), path)
    return f"https://api.twilio.com{path}" if path.startswith("/2010-04-01/") and not named else ""
