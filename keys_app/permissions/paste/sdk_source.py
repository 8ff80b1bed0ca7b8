"""Source code as the readers of SDK calls need it: without comments and strings, with its brackets and arguments."""

import re
from dataclasses import dataclass
from functools import cached_property

_OPENING = {"(": ")", "[": "]", "{": "}"}
# What begins a comment or a string. `#` and `//` do so only where they cannot be an operator, a private field
# of JavaScript or a part of an address.
_BEGINNING = re.compile(
    r"```|\"\"\"|'''|/\*|<!--|(?<![:\w])//|(?<![^\s;,(){}])#|(?<![^\n])=begin\b|[\"'`]",
)
_ENDS = {'"""': '"""', "'''": "'''", "/*": "*/", "<!--": "-->", "=begin": "\n=end", "`": "`"}
_PREFIXED = re.compile(r"(?:^|\W)[fFrRbBuU]{1,2}\Z")  # of a string in Python
_WORD = re.compile(r"\w+")
_REACH = 200
_KEY = re.compile(r"(?P<name>[A-Za-z_]\w*)[ \t]{0,9}(?::(?!:)|=(?![=>]))")
_SHORTHAND = re.compile(r"(?P<name>[A-Za-z_]\w{0,60})\s{0,99}(?=[,}])")
_QUOTED_KEY = re.compile(r"[\"'](?P<name>\w{1,60})[\"'][ \t]{0,9}(?:=>|:)")


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a call: its name if it has one, and how it is written, without what stands in strings."""

    name: str
    value: str


@dataclass(frozen=True)
class SourceCode:
    """Pasted code. `code` is as long as `text`, with blanks for what comments and strings hold."""

    text: str

    @cached_property
    def code(self) -> str:
        return _without_comments_and_strings(self.text)

    @cached_property
    def closing(self) -> dict[int, int]:
        """Where each opening bracket closes."""
        found: dict[int, int] = {}
        still_open: list[int] = []
        for place, char in enumerate(self.code):
            if char in _OPENING:
                still_open.append(place)
            elif still_open and char == _OPENING[self.code[still_open[-1]]]:
                found[still_open.pop()] = place
        return found

    @cached_property
    def opening(self) -> dict[int, int]:
        """Where each closing bracket opens."""
        return {end: start for start, end in self.closing.items()}

    @cached_property
    def _around(self) -> list[int]:
        """The innermost bracket that is open at each place, or -1."""
        around, still_open = [], [-1]
        for place in range(len(self.code)):
            if place == self.closing.get(still_open[-1]):
                still_open.pop()
            around.append(still_open[-1])
            if place in self.closing:
                still_open.append(place)
        return around

    def is_argument(self, place: int) -> bool:
        """Tell whether what stands at `place` is directly between the parentheses of a call or a signature."""
        opening = self._around[place]
        return opening >= 0 and self.code[opening] == "("

    def is_code(self, place: int) -> bool:
        """Tell whether what stands at `place` of the text is no part of a comment or a string."""
        return self.code[place] == self.text[place]

    def arguments(self, opening: int) -> list[Argument] | None:
        """Return the arguments of the call whose parenthesis opens at `opening`; None if it does not close."""
        end = self.closing.get(opening)
        if end is None:
            return None
        found: list[Argument] = []
        start = place = opening + 1
        while place <= end:
            if place == end or self.code[place] == ",":
                part = self.code[start:place].strip()
                key = _KEY.match(part)
                if part:
                    found.append(Argument(key["name"] if key else "", part[key.end() :].strip() if key else part))
                start = place + 1
            place = self.closing.get(place, place) + 1 if place < end else place + 1
        return found

    def keys(self, opening: int) -> list[str]:
        """Return the names of the arguments of a call, also of those in an object or an array that it is given."""
        end = self.closing.get(opening, opening)
        found: list[str] = []
        place = opening + 1
        while place < end:
            key = _KEY.match(self.code, place, end) or _QUOTED_KEY.match(self.text, place, end)
            key = key or self._shorthand(opening, place)
            if key:
                found.append(key["name"])
                place = key.end()
                continue
            word = _WORD.match(self.code, place, end)
            inside = self.code[place] in "([{" and not self._is_given(opening, place)
            place = word.end() if word else self.closing.get(place, place) + 1 if inside else place + 1
        return found

    def _shorthand(self, opening: int, place: int) -> re.Match[str] | None:
        """Return the name at `place` if it stands for itself in an object of JavaScript: `{ to, from, body }`."""
        key = _SHORTHAND.match(self.code, place)
        if not key or self.code[self._around[place]] != "{":
            return None
        before = self.code[max(opening + 1, place - _REACH) : place].rstrip()[-1:]
        return key if before in ("{", ",") else None

    def _is_given(self, opening: int, place: int) -> bool:
        """Tell whether the bracket at `place` is an object or array that is itself an argument of the call."""
        before = self.code[max(opening + 1, place - _REACH) : place].rstrip()[-1:]
        return self.code[place] in "[{" and before in ("", ",")


def _without_comments_and_strings(text: str) -> str:
    pieces: list[str] = []
    place = 0
    unclosed: dict[str, int] = {}
    while begins := _BEGINNING.search(text, place):
        mark, start = begins.group(), begins.start()
        end = _end(text, mark, begins.end(), unclosed)
        if end is None:  # an apostrophe, or a quotation mark that stays open
            pieces.append(text[place : begins.end()])
            place = begins.end()
            continue
        inner = (begins.end(), end - 1) if mark in ('"', "'", "`") else (start, end)
        pieces += [text[place : inner[0]], _blank(text[inner[0] : inner[1]]), text[inner[1] : end]]
        place = end
    return "".join([*pieces, text[place:]])


def _blank(text: str) -> str:
    return "".join("\n" if char == "\n" else " " for char in text)


def _end(text: str, mark: str, place: int, unclosed: dict[str, int]) -> int | None:
    """Return where what begins with `mark` before `place` is over, or None if it does not end."""
    if mark in ("//", "#"):
        end = text.find("\n", place)
        return len(text) if end < 0 else end
    if mark == "```" or (mark == "'" and _is_apostrophe(text, place - 1)):
        return None
    if mark in ('"', "'"):
        return _string_end(text, mark, place, unclosed)
    if unclosed.get(mark, -1) >= place:
        return None
    end = text.find(_ENDS[mark], place)
    if end >= 0:
        return end + len(_ENDS[mark])
    if mark in ("/*", "<!--", "=begin"):
        return len(text)
    unclosed[mark] = len(text)
    return None


def _is_apostrophe(text: str, place: int) -> bool:
    before = text[max(0, place - 3) : place]
    return before[-1:].isalnum() and not _PREFIXED.search(before)


def _string_end(text: str, quote: str, place: int, unclosed: dict[str, int]) -> int | None:
    """Return the place after a string that closes on its own line."""
    if unclosed.get(quote, -1) >= place:
        return None
    while place < len(text) and text[place] != "\n":
        if text[place] == quote:
            return place + 1
        place += 2 if text[place] == "\\" else 1
    unclosed[quote] = place
    return None
