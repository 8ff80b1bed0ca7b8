"""Reading requests of any HTTP client: commands, code, data and logs, and addresses that stand alone."""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator

from keys_app.permissions.catalogue import Catalogue

from .addresses import ends_open, find_endpoint, is_api, map_request, offer
from .calls import Call, Calls
from .code import Code
from .handles import Handles
from .logs import URL, Lines
from .model import Suggestion
from .pieces import HOLE, parts, render
from .shell import ShellRequest, only_shown, read_commands
from .tables import Tables
from .values import Values
from .yaml import read_yaml

_RUN = frozenset(
    {"system", "popen", "run", "call", "check_output", "check_call", "exec", "execsync", "spawn", "shell_exec"}
    | {"sh", "bash", "passthru", "getoutput", "x"}
)
_COMMAND = re.compile(r"\b(?:curl|wget)[ \\]")
_ESCAPED = re.compile(r"\\([\"'])")
_DEEPEST = 2
_LONGEST_PREFIX = 4
_LONG = frozenset({'"""', "'''", "`"})
"""The quotes of texts over several lines, which are there to be read more often than to be run."""
_ASSIGN = frozenset({"=", ":=", "+", "+=", "return", "throw", "raise"})


class Requests:
    """All requests in a paste, in the order of their kinds."""

    def __init__(self, text: str, outer: Callable[[str], str | None] = lambda _: None, deep: int = 0) -> None:
        self.code = Code(text.replace(HOLE, " "))
        self.values = Values(self.code)
        self._outer, self._deep = outer, deep
        self._starts = [token.start for token in self.code.tokens]
        self.sent: list[ShellRequest] = []
        self._read_commands()
        self._commands = sorted({(sent.start, sent.end) for sent in self.sent})

    def commands(self) -> Iterator[Call]:
        """Yield the requests of commands: curl, wget, HTTPie, PowerShell."""
        for sent in self.sent:
            yield Call(sent.method, sent.url, sent.start)

    def others(self) -> Iterator[Call]:
        """Yield the requests of code, data and logs."""
        yield from Calls(self.code, self.values).find()
        yield from Handles(self.code, self.values).find()
        yield from Tables(self.code, self.values).find()
        yield from read_yaml(self.code.text, self._fill)
        for call in Lines(self.code.text, self._fill, self._handled, self._nested).find():
            if not self._in_command(call.place):
                yield call

    def alone(self) -> Iterator[str]:
        """Yield each address in the text, with all that is put behind it."""
        for match in URL.finditer(self.code.text):
            if self._in_command(match.start()):
                continue
            index = self._token(match.start())
            token = self.code.tokens[index] if index >= 0 else None
            if token and token.kind == "text" and token.start <= match.start() < token.end:
                begins = match.start() <= token.start + _LONGEST_PREFIX
                yield self._expression(index) if begins else self._fill(match.group(), match.start())
            else:
                yield self._fill(match.group(), match.start())

    def _expression(self, index: int) -> str:
        """Return the address that begins with the string at `index`, as far as its pieces can be read."""
        tokens, end = self.code.tokens, index
        parent = tokens[index].parent
        while end < len(tokens) and tokens[end].parent == parent and self.code.sign(end) not in (",", ";", "="):
            if end > index and tokens[end].line != tokens[end - 1].line and self.code.sign(end) == "":
                break
            closing = self.code.closed(end)
            end = closing + 1 if closing >= 0 else end + 1
        read = self.values.text(index, end) or tokens[index].text + HOLE + HOLE
        return read + HOLE + HOLE if read.endswith("/") else read  # what comes after it is not known

    def _read_commands(self) -> None:
        """Find the commands, also those in strings that are run."""
        outside = list(self.code.text)
        for index, token in enumerate(self.code.tokens):
            if token.kind == "text" and _COMMAND.search(token.text):
                if self._deep < _DEEPEST:
                    self._read_string(index)
                outside[token.start : token.end] = " " * (token.end - token.start)
        self.sent += read_commands("".join(outside), self._fill, self.code.default)

    def _read_string(self, index: int) -> None:
        token = self.code.tokens[index]
        shown = self._handled(token.start) or only_shown(self.code.text, token.start)
        inside = Requests(
            _ESCAPED.sub(r"\1", token.text), lambda name: self.values.variable(name, index), self._deep + 1
        )
        for sent in inside.sent:
            method = sent.method if self._runs(index) or not shown else ""
            self.sent.append(ShellRequest(method, sent.url, token.start, token.end))

    def _runs(self, index: int) -> bool:
        """Tell whether the string at `index` is an argument of a call that runs commands."""
        parent = self.code.tokens[index].parent
        return self.code.word(parent - 1).lower() in _RUN

    def _token(self, place: int) -> int:
        return bisect_right(self._starts, place) - 1

    def _fill(self, text: str, place: int) -> str:
        index = max(self._token(place), 0)
        return render(parts(text), lambda name: self.values.variable(name, index) or self._outer(name))

    def _nested(self, place: int) -> bool:
        index = self._token(place)
        token = self.code.tokens[index] if index >= 0 else None
        if token is None:
            return False
        return token.parent >= 0 or (token.kind == "text" and token.start <= place < token.end)

    def _handled(self, place: int) -> bool:
        """Tell whether a place stands in a string that is an argument, is put into a variable, or has several lines."""
        index = self._token(place)
        token = self.code.tokens[index] if index >= 0 else None
        if token is None or token.kind != "text" or not token.start <= place < token.end:
            return False
        if token.quote in _LONG and (len(token.quote) > 1 or "\n" in token.text):
            return True
        called = self.code.sign(token.parent) == "(" and bool(self.code.word(token.parent - 1))
        return called or bool({self.code.sign(index - 1), self.code.word(index - 1)} & _ASSIGN)

    def _in_command(self, place: int) -> bool:
        index = bisect_right(self._commands, (place, len(self.code.text))) - 1
        return index >= 0 and place < self._commands[index][1]


def map_calls(calls: Iterable[Call], known: Catalogue) -> Iterator[Suggestion | str]:
    """Yield what each request leads to; without a method, or with an address that may go on, nothing certain."""
    for call in calls:
        if call.method and not ends_open(call.address):
            yield map_request(call.method, call.address, known)
        else:
            yield from offer(call.address, known)


def map_alone(urls: Iterable[str], known: Catalogue, calls: list[Call], *, quiet: bool) -> Iterator[Suggestion | str]:
    """Yield what is possible at each address that none of `calls` goes to.

    `quiet` leaves out what leads to no permission, and so do other addresses that are Twilio's.
    """
    found = [url for url in dict.fromkeys(urls) if url]
    called = [find_endpoint(call.address, "", known) for call in calls]
    quiet_sites = quiet or any(is_api(url) for url in found)
    for url in found:
        endpoint = find_endpoint(url, "", known)
        if isinstance(endpoint, str):
            if not (quiet or called) and (is_api(url) or not quiet_sites):
                yield endpoint
        elif endpoint not in called:
            yield from offer(url, known)
