"""Reading curl commands: which method goes to which URL."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from keys_app.permissions.catalogue import Catalogue

from .addresses import map_request
from .model import Suggestion

_CURL = re.compile(r"(?<![\w./-])(?:/[\w/.-]{0,60}/)?curl(?:\.exe)?(?=[ \t\\^`])")
_CONTINUED = re.compile(r"[\\^`][ \t]*\r?\n")  # of sh, cmd and PowerShell
_WORD_END = " \t"
_COMMAND_END = "\n\r;|&"

_SHORT_WITH_VALUE = frozenset("AbcCdDeEFhHKmoPQrtTuUwxXyYz")
_LONG_WITH_VALUE = frozenset(
    [
        "request",
        "data",
        "data-ascii",
        "data-binary",
        "data-raw",
        "data-urlencode",
        "form",
        "form-string",
        "json",
        "url",
        "user",
        "header",
        "output",
        "cookie",
        "cookie-jar",
        "user-agent",
        "referer",
        "max-time",
        "connect-timeout",
        "retry",
        "retry-delay",
        "proxy",
        "proxy-user",
        "cacert",
        "cert",
        "key",
        "resolve",
        "upload-file",
        "write-out",
        "config",
        "url-query",
        "oauth2-bearer",
        "interface",
        "limit-rate",
    ]
)
_BODY = frozenset(
    {"d", "F", "data", "data-ascii", "data-binary", "data-raw", "data-urlencode", "form", "form-string", "json"}
)


@dataclass(slots=True)
class _Command:
    method: str = ""
    body: bool = False
    get: bool = False
    head: bool = False
    upload: bool = False
    urls: list[str] = field(default_factory=list)

    def effective_method(self) -> str:
        """Return the method as curl chooses it (curl's manual: -X, -G, -I, -T, -d and -F)."""
        if self.method:
            return self.method
        if self.head:
            return "HEAD"
        if self.upload:
            return "PUT"
        return "POST" if self.body and not self.get else "GET"


def read_curl(text: str, known: Catalogue) -> Iterator[Suggestion | str]:
    """Yield what each curl command in `text` leads to. A command without a URL is passed over."""
    text = _CONTINUED.sub(" ", text)
    place = 0
    while match := _CURL.search(text, place):
        words, place = _words(text, match.end())
        for command in _commands(words):
            for url in command.urls:
                yield map_request(command.effective_method(), url, known)


def _words(text: str, place: int) -> tuple[list[str], int]:
    """Return the words of a command from `place` on, unquoted as a shell would, and where it ends."""
    words: list[str] = []
    letters: list[str] | None = None
    while place < len(text) and text[place] not in _COMMAND_END:
        char = text[place]
        if char in _WORD_END:
            if letters is not None:
                words.append("".join(letters))
                letters = None
            place += 1
            continue
        letters = [] if letters is None else letters
        if char in "\"'":
            piece, place = _quoted(text, place)
            letters.append(piece)
        else:
            place += char == "\\"  # the next one is meant as it is
            letters.append(text[place : place + 1])
            place += 1
    if letters is not None:
        words.append("".join(letters))
    return words, place


def _quoted(text: str, place: int) -> tuple[str, int]:
    """Return what stands in the quotation marks at `place`, and where it ends; to the end if they stay open."""
    quote = text[place]
    end = place + 1
    while end < len(text) and text[end] != quote:
        end += 2 if quote == '"' and text[end] == "\\" else 1
    return text[place + 1 : end], end + 1


def _commands(words: list[str]) -> Iterator[_Command]:
    command = _Command()
    place = 0
    while place < len(words):
        word = words[place]
        place += 1
        if word == "--next":
            yield command
            command = _Command()
        elif word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            if name in _LONG_WITH_VALUE and not equals:
                value, place = words[place] if place < len(words) else "", place + 1
            _option(command, name, value)
        elif word.startswith("-") and len(word) > 1:
            place += _short_options(command, word[1:], words[place] if place < len(words) else "")
        elif _is_address(word):
            command.urls.append(word)
    yield command


def _short_options(command: _Command, letters: str, following: str) -> int:
    """Take a cluster such as `-sXPOST`; return how many of the following words belong to it."""
    for number, letter in enumerate(letters):
        if letter in _SHORT_WITH_VALUE:
            attached = letters[number + 1 :]
            _option(command, letter, attached or following)
            return 0 if attached else 1
        _option(command, letter, "")
    return 0


def _option(command: _Command, name: str, value: str) -> None:
    if name in ("X", "request"):
        command.method = value.upper() if value.isalpha() and len(value) <= 10 else ""
    elif name in ("G", "get"):
        command.get = True
    elif name in ("I", "head"):
        command.head = True
    elif name in ("T", "upload-file"):
        command.upload = True
    elif name in _BODY:
        command.body = True
    elif name == "url":
        command.urls.append(value)


def _is_address(word: str) -> bool:
    return "://" in word[:12] or "/" in word or ".twilio.com" in word
