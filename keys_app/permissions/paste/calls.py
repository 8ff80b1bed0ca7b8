"""The requests that code sends: for each call, its method and its address, by the table of clients."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from . import clients
from .arguments import Given, Range
from .code import Arguments, CallLink, Chain, Code
from .values import Values

_IMPORTED = re.compile(r"\bfrom[ \t]{1,9}(?:requests|httpx)[ \t]{1,9}import\b")
_TAKES_ANSWER = frozenset({"res", "response", "resp", "r", "err", "error", "e", "data", "body", "result", "_"})
_FUNCTION = frozenset({"function", "async", "func", "fn", "lambda"})


@dataclass(frozen=True, slots=True)
class Call:
    """A request: `method` is empty where it is not known; `place` is where it stands in the text."""

    method: str
    address: str
    place: int


class Calls:
    """Finds the requests in code."""

    def __init__(self, code: Code, values: Values) -> None:
        self.code, self.values = code, values
        self.given = Given(code, values)
        self._imported = bool(_IMPORTED.search(code.text))
        self._urllib = "urllib" in code.text or "urlopen" in code.text

    def find(self) -> Iterator[Call]:
        """Yield each request whose method and address are certain."""
        for chain in self.code.chains.values():
            found = self._request(chain)
            if found:
                yield Call(*found, self.code.tokens[chain.start].start)

    def _request(self, chain: Chain) -> tuple[str, str] | None:
        for at, link in enumerate(chain.links[:24]):
            given = self._arguments(chain, at)
            if given is None or _pretends(chain, at):
                continue
            for way in (self._by_keys, self._by_verb, self._by_method, self._by_options, self._by_class):
                found = way(chain, at, link, given)
                if found and all(found):
                    return found
            if link.name.lower() in clients.ADDRESS_LINKS:
                found = self._built(chain, at, given)
                if found and all(found):
                    return found
        return None

    def _arguments(self, chain: Chain, at: int) -> Arguments | None:
        link = chain.links[at]
        if link.opening >= 0:
            return self.code.arguments(link.opening)
        if at and link is chain.links[-1] and clients.VERB.fullmatch(link.name):
            return self._command(chain)
        return None

    def _command(self, chain: Chain) -> Arguments | None:
        """Return the arguments of a call without brackets: `HTTParty.post url, body: x`."""
        end = start = chain.end
        tokens = self.code.tokens
        line, parent = tokens[chain.start].line, tokens[chain.start].parent
        if start >= len(tokens) or tokens[start].line != line or tokens[start].kind == "sign":
            return None
        if self.code.word(start) in ("do", "if", "unless", "and", "or", "then", "in", "is"):
            return None
        while end < len(tokens) and tokens[end].line == line and self.code.sign(end) not in (")", "]", "}", ";"):
            closing = self.code.closed(end) if tokens[end].parent == parent else -1
            end = closing + 1 if closing >= 0 else end + 1
        return self.code.split(start, end)

    def _by_keys(self, chain: Chain, at: int, link: CallLink, given: Arguments) -> tuple[str, str] | None:
        """Read `request(method="POST", url=…)`, also with both in one object."""
        tables = [given]
        if len(given.places) and (table := self.given.table(given.places[0])):
            tables.append(table)
        for table in tables:
            method = self.given.keyed_method(table)
            if method and (address := self.given.keyed_address(table, chain)):
                return method, address
        for key, place in given.names.items():  # HTTP::Request->new(POST => $url)
            if key.isupper() and (found := clients.METHOD_NAME.fullmatch(key)) and "equest" in chain.name:
                return found["method"], self.given.address(place, chain)
        return None

    def _first(self, given: Arguments, chain: Chain) -> str:
        """Return the address in the first argument, or the one given by name."""
        places = self._without_context(given.places)
        if places:
            table = self.given.table(places[0])
            return self.given.keyed_address(table, chain) if table else self.given.address(places[0], chain)
        return self.given.keyed_address(given, chain)

    def _without_context(self, places: list[Range]) -> list[Range]:
        if places and (chain := self.code.chains.get(places[0][0])) and clients.CONTEXT.fullmatch(chain.name):
            return places[1:]
        return places

    def _by_verb(self, chain: Chain, at: int, link: CallLink, given: Arguments) -> tuple[str, str] | None:
        found = clients.VERB.fullmatch(link.name)
        if not found or not self._sends(chain, at, link.name) or self._answers(given):
            return None
        return _method(found["method"]), self._first(given, chain)

    def _sends(self, chain: Chain, at: int, name: str) -> bool:
        """Tell whether the call at a link is one of an HTTP client."""
        if not at:
            return name.isupper() or name.startswith("wp_remote_") or (self._imported and not chain.made)
        before = chain.links[:at]
        if before[-1].opening < 0:  # the name itself; of `HTTP.auth(…).post` any
            before = before[-1:]
        if at > 1 and before[-1].name == "session" and chain.links[at - 2].name in ("request", "req", "flask"):
            return False  # what a website keeps of a visitor
        if any(clients.RECEIVER.fullmatch(link.name.strip("_$@") or link.name) for link in before):
            return True
        maker = self.given.maker(chain)
        return any(clients.RECEIVER.fullmatch(part) for part in maker.replace("()", "").split(".") if part)

    def _answers(self, given: Arguments) -> bool:
        """Tell whether a call is given a function that answers requests: a route, or a pretended server."""
        for start, end in given.places[1:]:
            first = start + (self.code.word(start) in _FUNCTION)
            bare = self.code.word(first) or self.code.sign(first) == "("
            arrow = bare and self.code.sign(self._after(first)) == "=>" and self._after(first) < end
            if arrow or self.code.word(start) == "function":
                inside = first + (self.code.sign(first) == "(")
                if self.code.word(inside) not in _TAKES_ANSWER:
                    return True
        return False

    def _after(self, index: int) -> int:
        return self.code.closed(index) + 1 if self.code.closed(index) >= 0 else index + 1

    def _by_method(self, chain: Chain, at: int, link: CallLink, given: Arguments) -> tuple[str, str] | None:
        """Read `request("POST", url)`, `NewRequest(http.MethodPost, url)`, `exchange(url, HttpMethod.POST, …)`."""
        name = link.name.lower()
        if not (clients.REQUESTS.fullmatch(name) or clients.FUNCTIONS.fullmatch(name) or self._new_request(chain, at)):
            return None
        places = self._without_context(given.places)[:4]
        for number, place in enumerate(places):
            method = self.given.method(place)
            if method:
                others = places[1:2] if number == 0 else places[:1]
                return method, self.given.address(others[0], chain) if others else ""
        method = self.given.keyed_method(given) or ""
        if not method and name in ("uploadstring", "uploadvalues"):
            method = "POST"
        return (method, self._first(given, chain)) if method else None

    def _new_request(self, chain: Chain, at: int) -> bool:
        return chain.links[at].name in ("new", "create") and "equest" in chain.name

    def _by_options(self, chain: Chain, at: int, link: CallLink, given: Arguments) -> tuple[str, str] | None:
        """Read `fetch(url, {method: "POST"})`, and what such calls do without a method."""
        is_class = link.name == "Request"
        if not (clients.FUNCTIONS.fullmatch(link.name) or is_class or link.name == "fetch"):
            return None
        if (is_class or link.name == "urlopen") and self._urllib:
            return self._urllib_request(chain, given)
        block = link.opening >= 0 and self.code.sign(self.code.closed(link.opening) + 1) == "{"
        if (is_class and not chain.made) or block:  # a block may say more
            return None
        if not given.places:
            return None
        table = self.given.table(given.places[0])
        if table is not None:
            method = self.given.keyed_method(table)
            return (self._default(table) if method is None else method), self.given.keyed_address(table, chain)
        method = self._optional(given)
        if method is None:
            options = self.given.table(given.places[1]) if len(given.places) > 1 else None
            method = self._default(options or given)
        return method, self.given.address(given.places[0], chain)

    def _default(self, options: Arguments) -> str:
        """Return what a request without a method is; unknown with a body, which a GET of these clients cannot have."""
        return "" if self.given.keyed(options, clients.BODY_KEYS) else self.code.default

    def _optional(self, given: Arguments) -> str | None:
        """Return the method in the options after an address; nothing if they cannot be read, None without one."""
        if given.spread:
            return ""
        named = self.given.keyed_method(given)
        if named is not None or len(given.places) < 2:
            return named
        start, end = given.places[1]
        if self.code.word(start) in _FUNCTION or "=>" in (self.code.sign(start + 1), self.code.sign(end - 1)):
            return None
        closing = self.code.closed(start)
        if closing >= 0 and self.code.sign(closing + 1) == "=>":
            return None
        table = self.given.table(given.places[1])
        return "" if table is None else self.given.keyed_method(table)

    def _urllib_request(self, chain: Chain, given: Arguments) -> tuple[str, str] | None:
        """Read Python's `urllib.request.Request(url, data, …, method=…)`: with data it is a POST."""
        address = self._first(given, chain)
        method = self.given.keyed_method(given)
        if method is None:
            data = given.names.get("data") or (given.places[1] if len(given.places) > 1 else None)
            empty = data is None or self.code.word(data[0]) == "None"
            sent = self.code.default if "urlopen" in self.code.text or ".open(" in self.code.text else ""
            method = "" if given.spread else sent if empty else "POST"
        target = self.values.names.assigned_to(chain.start)
        for assigned in self.values.names.attributes(target) if target else []:
            key = assigned.name.rpartition(".")[2]
            if key in ("method", "get_method"):
                method = self._last_method(assigned.start, assigned.end)
            elif key == "data" and method == "GET":
                method = "POST"
        return method, address

    def _last_method(self, start: int, end: int) -> str:
        return self.given.method((end - 1, end)) if end > start else ""

    def _by_class(self, chain: Chain, at: int, link: CallLink, given: Arguments) -> tuple[str, str] | None:
        """Read `new HttpPost(url)` and `Net::HTTP::Post.new(uri)`."""
        ruby = link.name == "new" and at > 1 and chain.links[at - 2].name == "HTTP"
        found = clients.CONSTRUCTED.fullmatch(chain.links[at - 1].name if ruby else link.name)
        if not found or bool(found["plain"]) != ruby:
            return None
        return (found["plain"] or found["method"]).upper(), self._first(given, chain)

    def _built(self, chain: Chain, at: int, given: Arguments) -> tuple[str, str] | None:
        """Read a builder: `new Request.Builder().url(u).post(body).build()`, `newBuilder(uri).method("PUT", b)`."""
        address = self._first(given, chain)
        methods: set[str] = set()
        complete = False
        for number, link in enumerate(chain.links):
            if number > at and link.name.lower() in clients.SENDING:
                complete = True
                break
            if link.opening < 0 or number == at:
                continue
            methods |= self._of_link(link)
        if not methods and complete and clients.BUILDERS.fullmatch(chain.name):
            return self.code.default, address
        return (methods.pop(), address) if len(methods) == 1 else None

    def _of_link(self, link: CallLink) -> set[str]:
        places = self.code.arguments(link.opening).places
        if link.name.lower() in clients.METHOD_LINKS:
            return {self.given.method(places[0]) if places else ""}
        found = re.fullmatch(clients.METHODS, link.name, re.IGNORECASE)
        return {found.group().upper()} if found else set()


def _pretends(chain: Chain, at: int) -> bool:
    """Tell whether the call at a link is one of what keeps, checks or tells something: `cache.get`, `nock(…).post`."""
    before = [link for number, link in enumerate(chain.links[: at + 1]) if number in (0, at) or link.opening < 0]
    return any(clients.NO_RECEIVER.fullmatch(link.name) for link in before)


def _method(name: str) -> str:
    return "DELETE" if name.lower() == "del" else name.upper()
