"""Requests in plain text: `POST https://…`, raw HTTP, logs of the SDKs and of HTTP libraries, exceptions."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .calls import Call
from .clients import METHODS
from .endpoints import find_relative
from .pieces import HOLE

_URL_TEXT = r"(?:\{\{[^{}\n]{0,60}\}\}|<[\w -]{1,40}>|[^\s\"'`|\\^<>])+"
URL = re.compile(
    rf"https?://{_URL_TEXT}|(?<![\w.@/-])[A-Za-z0-9.-]+\.twilio\.com(?::\d{{1,5}})?/{_URL_TEXT}", re.IGNORECASE
)
_REQUEST_LINE = re.compile(
    rf"(?<![\w.\-/$@:])(?P<method>(?i:{METHODS}))"
    rf"(?:[\]:)]|[ ]Request:|[ ]{{1,9}}\|)?[ \t]{{1,9}}(?P<quote>[\"'`<]?)"
    rf"(?P<url>https?://{_URL_TEXT}|[A-Za-z0-9.-]+\.twilio\.com(?::\d{{1,5}})?/{_URL_TEXT}"
    rf"|(?:\{{\{{[^{{}}\n]{{1,60}}\}}\}}|\$\{{?\w{{1,60}}\}}?)/{_URL_TEXT}|/{_URL_TEXT})",
    re.MULTILINE,
)
_LOWER_START = re.compile(r"(?:^|[\]:|>-][ \t]|DEBUG[ \t]+|INFO[ \t]+)[ \t]*\Z")
_REFUSED = re.compile(
    r"\b(?:not|n't|never|instead of|rather than|avoid|without|no longer|was|used to)\b[^.\n]{0,30}\Z", re.IGNORECASE
)
_HOST = re.compile(r"^[ \t>*|]{0,9}Host:[ \t]{0,9}(?P<host>[\w.-]+)", re.IGNORECASE | re.MULTILINE)
_CONNECTION = re.compile(r"https?://(?P<host>[\w.-]+)(?::\d{1,5})?[ \t]{0,3}[\"']?\Z")
_YOUR_REQUEST = re.compile(r"Your request was:\s{1,20}\Z")
_LABEL = re.compile(
    rf"(?:(?P<explicit>\brequest[ .-]|(?<!\w):)|\b)(?:method|url|uri|host|path|authority)[ \t]{{0,3}}[:=][ \t]{{0,9}}<?"
    rf"(?:(?P<method>(?:{METHODS}))\b|(?P<url>https?://{_URL_TEXT})|(?P<host>[\w.-]+\.twilio\.com)(?![\w/.-])|(?P<path>/{_URL_TEXT}))",
    re.IGNORECASE,
)
_BROKEN = re.compile(r"\r?\n[ \t>]{0,9}(?:/\w|\.json)")
_QUOTES = frozenset({'"', "'"})
_IS_HTTP = re.compile(r" HTTP/\d")
_OF_CURL = re.compile(r"(?:-X|--request|--method)[ =]\Z")
_LOOK_BACK = 80
_MOST_BETWEEN = 12


@dataclass(frozen=True, slots=True)
class _Said:
    kind: str
    value: str
    line: int
    place: int
    explicit: bool


class Lines:
    """Finds requests in lines of text.

    `inside` tells whether a place stands in a string that code only handles, `nested` whether in any string or
    bracket.
    """

    def __init__(
        self, text: str, fill: Callable[[str, int], str], inside: Callable[[int], bool], nested: Callable[[int], bool]
    ) -> None:
        self.text, self.fill, self.inside, self.nested = text, fill, inside, nested

    def find(self) -> Iterator[Call]:
        """Yield each request of which method and address are certain."""
        for match in _REQUEST_LINE.finditer(self.text):
            address = self._address(match)
            if address and self._counts(match):
                yield Call(match["method"].upper(), address, match.start())
        yield from self._labelled()

    def _before(self, match: re.Match[str]) -> str:
        line = self.text.rfind("\n", 0, match.start()) + 1
        return self.text[max(line, match.start() - _LOOK_BACK) : match.start()]

    def _counts(self, match: re.Match[str]) -> bool:
        """Tell whether a line says what is sent, not what is written about."""
        method, quote, end = match["method"], match["quote"], match.end()
        if quote and self.text[end : end + 1] != {"<": ">"}.get(quote, quote):
            return False
        if _OF_CURL.search(self._before(match)):
            return False
        said = self.text[match.start() - 1 : match.start()] in _QUOTES and not _IS_HTTP.match(self.text, end)
        if said or _BROKEN.match(self.text, end) or self.inside(match.start()) or _REFUSED.search(self._before(match)):
            return False
        if method.isupper():
            return True
        go_error = method.istitle() and quote == '"' and self.text[end + 1 : end + 2] == ":"
        return go_error or bool(_LOWER_START.search(self._before(match)))

    def _address(self, match: re.Match[str]) -> str:
        url = match["url"]
        if not url.startswith("/"):
            return self.fill(url, match.start())
        if _YOUR_REQUEST.search(self.text[max(0, match.start() - 60) : match.start()]):
            return find_relative(self.fill(url, match.start()).replace(HOLE, "{}"))
        host = self._host(match)
        return self.fill(f"https://{host}{url}", match.start()) if match["method"].isupper() else ""

    def _host(self, match: re.Match[str]) -> str:
        """Return the host of a path: that of the connection before it, or of the header after it."""
        before = _CONNECTION.search(self._before(match))
        if before:
            return before["host"]
        rest = self.text[match.end() : match.end() + 2000]
        block = re.split(r"\n[ \t>*]*\r?\n", rest, maxsplit=1)[0]
        header = _HOST.search(block)
        if header:
            return header["host"]
        return "api.twilio.com" if match["url"].startswith("/2010-04-01/") else ""

    def _labelled(self) -> Iterator[Call]:
        """Yield what logs say in two parts: `method=POST url=https://…`, `Request Method: <post>` and `Path:/…`."""
        said = self._said()
        by_line: dict[int, list[_Said]] = {}
        for one in said:
            by_line.setdefault(one.line, []).append(one)
        for on_line in by_line.values():
            if sorted(one.kind for one in on_line) == ["method", "url"]:
                yield self._paired(*on_line)
        rest = [one for one in said if one.explicit or one.kind == "url"]
        kinds = [one.kind for one in rest]
        # Cut off at one end it could be read in two ways; then it is not.
        if len(kinds) % 2 or kinds != kinds[:2] * (len(kinds) // 2) or len(set(kinds[:2])) < 2:
            return
        for first, second in zip(rest[::2], rest[1::2], strict=True):
            if first.line < second.line <= first.line + _MOST_BETWEEN:
                yield self._paired(first, second)

    def _paired(self, *both: "_Said") -> Call:
        method, url = sorted(both, key=lambda one: one.kind)
        return Call(method.value.upper(), self.fill(url.value, url.place), method.place)

    def _said(self) -> list["_Said"]:
        """Return all methods and addresses with a label, in order; a host and its path are one address."""
        found: list[_Said] = []
        line = counted = 0
        host = ""
        for match in _LABEL.finditer(self.text):
            line += self.text.count("\n", counted, match.start())
            counted = match.start()
            kind, value = match.lastgroup or "", match[match.lastgroup or 0]
            if self.nested(match.start()):
                continue
            if kind == "host":
                host = value
            elif kind != "path" or host:
                value = f"https://{host}{value}" if kind == "path" else value
                kind = "url" if kind == "path" else kind
                found.append(_Said(kind, value, line, match.start(), bool(match["explicit"])))
        return found
