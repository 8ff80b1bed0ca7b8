"""Reading commands: curl, wget, HTTPie and PowerShell's `Invoke-RestMethod`: which method goes to which address."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from .clients import METHODS
from .pieces import HOLE
from .shell_options import (
    BODY,
    HTTPIE_WITH_VALUE,
    LONG_WITH_VALUE,
    MAY_SAY_MORE,
    SHORT_WITH_VALUE,
    WGET_WITH_VALUE,
)
from .shell_words import goes_on, joined_lines, words

_TOOL = re.compile(
    r"(?<![\w./:-])(?:/[\w/.-]{0,60}/)?(?P<tool>curl|wget|https?|xh|Invoke-RestMethod|Invoke-WebRequest|irm|iwr)"
    r"(?:\.exe)?(?=[ \t\\^`])",
    re.IGNORECASE,
)
# HTTPie's name is a word of every text: it counts at the beginning of a command alone.
_COMMAND_START = re.compile(r"(?:^|[|;&(`>$%#]|\b(?:sudo|then|do|run:|RUN|time|exec))[ \t]*\Z")
_ONLY_SHOWN = re.compile(r"(?:\becho|\bprintf|\bprint|\bWrite-Host|\bman|\balias \w+=?)[ \t][^|;&\n]*\Z", re.IGNORECASE)
_PIPED = re.compile(r"\|[ \t]*(?:sudo )?\Z")
_LINE_PIPES = re.compile(r"\|\s*\Z")
_METHOD = re.compile(METHODS, re.IGNORECASE)
_REDIRECTED = re.compile(r"\d?(?:>>?|<<?<?-?)(?P<target>.*)", re.DOTALL)
_ITEM = re.compile(r"[\w.\[\]-]+(?:=(?!=)|:=|@)")
_LOOK_BACK = 60
UNKNOWN = "?"


@dataclass(slots=True)
class ShellCommand:
    """What one command says: `method` is empty where it says none, `UNKNOWN` where it may say one."""

    method: str = ""
    body: bool = False
    get: bool = False
    head: bool = False
    upload: bool = False
    doubtful: bool = False
    default: str = "GET"
    urls: list[str] = field(default_factory=list)

    def effective_method(self) -> str:
        """Return the method as curl chooses it (curl's manual: -X, -G, -I, -T, -d and -F); empty if not certain."""
        if self.method and self.method != UNKNOWN:
            return self.method
        if self.doubtful or self.method:
            return ""
        if self.head:
            return "HEAD"
        if self.upload:
            return "PUT"
        if self.get:
            return "GET"
        return "POST" if self.body else self.default


@dataclass(frozen=True, slots=True)
class ShellRequest:
    """A request of a command, and where the command stands in the text of `read_commands`."""

    method: str
    url: str
    start: int
    end: int


def read_commands(text: str, fill: Callable[[str, int], str], default: str = "GET") -> Iterator[ShellRequest]:
    """Yield each request of the commands in `text`.

    `fill` puts variables into a word that stands at a place; `default` is what a request without a method is.
    """
    text = joined_lines(text)
    place = 0
    while match := _TOOL.search(text, place):
        found, place = words(text, match.end())
        before = _before(text, match.start())
        tool = match["tool"].lower()
        if tool in ("http", "https", "xh") and not _COMMAND_START.search(before):
            continue
        filled = [fill(word, match.start()) for word in found]
        for command in _READERS.get(tool, _powershell)(filled, _is_piped(text, match.start(), before)):
            command.default = default
            certain = not (_ONLY_SHOWN.search(before) or goes_on(text, place) or before.lstrip().startswith("|"))
            for url in command.urls:
                yield ShellRequest(command.effective_method() if certain else "", url, match.start(), place)


def _is_piped(text: str, place: int, before: str) -> bool:
    return bool(_PIPED.search(before)) or (
        not before.strip() and bool(_LINE_PIPES.search(text[max(0, place - _LOOK_BACK) : place]))
    )


def only_shown(text: str, place: int) -> bool:
    """Tell whether what stands at `place` is an argument of a command that only prints it."""
    return bool(_ONLY_SHOWN.search(_before(text, place)))


def _before(text: str, place: int) -> str:
    return text[max(0, text.rfind("\n", 0, place) + 1, place - _LOOK_BACK) : place]


def _curl(found: list[str], piped: bool) -> Iterator[ShellCommand]:
    if any(word.lower() in ("-method", "-uri") for word in found):  # PowerShell has an alias of this name
        yield from _powershell(found, piped)
        return
    command = ShellCommand()
    place = 0
    while place < len(found):
        word = found[place]
        place += 1
        if word == "--next":
            yield command
            command = ShellCommand()
        elif word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            if name in LONG_WITH_VALUE and not equals:
                value, place = found[place] if place < len(found) else "", place + 1
            _option(command, name, value)
        elif word.startswith("-") and len(word) > 1:
            place += _short_options(command, word[1:], found[place] if place < len(found) else "")
        else:
            place += _argument(command, word)
    yield command


def _argument(command: ShellCommand, word: str) -> int:
    """Take a word that is no option; return how many of the following words belong to it."""
    if redirected := _REDIRECTED.fullmatch(word):
        return 0 if redirected["target"] else 1
    if _is_address(word):
        command.urls.append(word)
    else:
        command.doubtful = True  # prose, or a variable that may hold options
    return 0


def _short_options(command: ShellCommand, letters: str, following: str) -> int:
    """Take a cluster such as `-sXPOST`; return how many of the following words belong to it."""
    for number, letter in enumerate(letters):
        if letter in SHORT_WITH_VALUE:
            attached = letters[number + 1 :]
            _option(command, letter, attached or following)
            return 0 if attached else 1
        _option(command, letter, "")
    return 0


def _option(command: ShellCommand, name: str, value: str) -> None:
    if name in ("X", "request"):
        command.method = value.upper() if value.isalpha() and len(value) <= 10 else UNKNOWN
    elif name in ("G", "get"):
        command.get = True
    elif name in ("I", "head"):
        command.head = True
    elif name in ("T", "upload-file"):
        command.upload = True
    elif name in BODY:
        command.body = True
    elif name in MAY_SAY_MORE:
        command.doubtful = True
    elif name == "url":
        command.urls.append(value)


def _wget(found: list[str], piped: bool) -> Iterator[ShellCommand]:
    command = ShellCommand()
    place = 0
    while place < len(found):
        word = found[place]
        place += 1
        name, equals, value = word.partition("=")
        if name in WGET_WITH_VALUE and not equals:
            value, place = found[place] if place < len(found) else "", place + 1
        if name == "--method":
            command.method = value.upper() if _METHOD.fullmatch(value) else UNKNOWN
        elif name in ("--post-data", "--post-file"):
            command.body = True
        elif name == "--spider":
            command.head = True
        elif name in ("-i", "--input-file", "--config"):
            command.doubtful = True
        elif not word.startswith("-"):
            place += _argument(command, word)
    command.doubtful = command.doubtful or piped
    yield command


def _httpie(found: list[str], piped: bool) -> Iterator[ShellCommand]:
    """Read `http METHOD URL item…`: without a method it is a POST with data, else a GET (HTTPie's manual)."""
    command = ShellCommand(body=piped)  # as it is with what comes from a pipe
    place, announced = 0, False
    while place < len(found):
        word = found[place]
        place += 1
        if word.startswith("-") and len(word) > 1:
            command.body = command.body or word.startswith("--raw")
            announced = announced or word in ("-f", "--form", "--multipart")
            place += word in HTTPIE_WITH_VALUE
        elif not command.urls and _METHOD.fullmatch(word):
            command.method = word.upper()
        elif not command.urls:
            place += _argument(command, word)
        elif _REDIRECTED.fullmatch(word):
            command.body = command.body or word.startswith("<")
            place += 1
        elif _ITEM.match(word):
            command.body = True
        elif HOLE in word:
            command.doubtful = True
    command.doubtful = command.doubtful or (announced and not command.body)  # its fields are not in what was pasted
    yield command


def _powershell(found: list[str], piped: bool) -> Iterator[ShellCommand]:
    """Read `Invoke-RestMethod -Method Post -Uri …`, which is a GET without a method, also with a body."""
    command = ShellCommand(doubtful=piped)
    place = 0
    while place < len(found):
        word, colon, value = found[place].partition(":") if found[place].startswith("-") else (found[place], "", "")
        word = word.lower()
        place += 1
        following = value if colon else found[place] if place < len(found) else ""
        if word.startswith("@"):
            command.doubtful = True
        elif len(word) > 1 and ("-method".startswith(word) or "-custommethod".startswith(word)):
            command.method = following.upper() if _METHOD.fullmatch(following) else UNKNOWN
            place += not colon
        elif word == "-uri":
            command.urls.append(following)
            place += not colon
        elif colon:
            pass
        elif word.startswith("-"):
            place += bool(following) and not following.startswith("-")
        else:
            place += _argument(command, found[place - 1])
    yield command


def _is_address(word: str) -> bool:
    return "://" in word[:12] or "/" in word or ".twilio.com" in word


_READERS: dict[str, Callable[[list[str], bool], Iterator[ShellCommand]]] = {
    "curl": _curl,
    "wget": _wget,
    "http": _httpie,
    "https": _httpie,
    "xh": _httpie,
}
