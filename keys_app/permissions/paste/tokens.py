"""Cutting pasted code of any language into words, strings and signs, without its comments.

No language is asked for: what most of them share is enough to tell a call from a string and from a comment. One
pass, and no sign is looked at more than a fixed number of times.
"""

import re
from dataclasses import dataclass

OPENING = {"(": ")", "[": "]", "{": "}"}
_CLOSING = {closing: opening for opening, closing in OPENING.items()}
_LONGEST_HOLE = 300

_SKIPPED = re.compile(
    r"[ \t\r\f\v\n]+"
    r"|/\*[^\x00]*?\*/|<!--[^\x00]*?-->|<#[^\x00]*?#>"  # the text holds no NUL
    r"|^=begin\b[^\x00]*?^=end\b|^--[ \t][^\n]*|^;;[^\n]*"
    r"|(?<![:\w/])//[^\n]*"
    r"|(?:(?<=[\s;>])|(?<![^\n]))#(?![{\[])[^\n]*",
    re.MULTILINE,
)
_WORD = re.compile(r"[$@]{0,2}[A-Za-z_][A-Za-z0-9_]*|\$|[0-9][0-9A-Za-z_.]*")
_SIGN = re.compile(r"\.\.\.?|->|::|\?\.|=>|:=|[=!]==?|[<>+.*|?&]?=|<>|&&|\|\||\?\?|.", re.DOTALL)
_QUOTE = re.compile(r"(?P<prefix>[$@]{1,2}|[A-Za-z]{0,2})(?P<quote>\"\"\"|'''|[\"'`])")
_PREFIX = re.compile(r"(?:[rbufsRBUFSL]|[rR][bBfF]|[bBfF][rR])?|[$@]{1,2}")


@dataclass(slots=True)
class Token:
    """A piece of code: `kind` is `word`, `text` (a string, without its quotes) or `sign`.

    `parent` is the index of the bracket it stands in (-1: none), `partner` of a bracket its other half (-1: none),
    `line` and `column` where it begins.
    """

    kind: str
    text: str
    start: int
    end: int
    line: int
    column: int
    quote: str = ""
    parent: int = -1
    partner: int = -1


def tokenize(text: str) -> tuple[list[Token], str]:
    """Return the tokens of `text`, and `text` with every comment turned into blanks, place for place."""
    reader = _Tokenizer(text)
    reader.run()
    _pair(reader.tokens)
    return reader.tokens, reader.without_comments()


class _Tokenizer:
    def __init__(self, text: str) -> None:
        self.text, self.tokens, self.comments = text, list[Token](), list[tuple[int, int]]()
        self.line, self.line_start, self.open_ended = 0, 0, frozenset[str]()

    def run(self) -> None:
        place = 0
        while place < len(self.text):
            place = self._skipped(place) or self._string(place) or self._other(place)

    def _skipped(self, place: int) -> int:
        char = self.text[place]
        if not char.isspace() and char not in "/<=-;#":
            return 0
        if char in "/<=" and not self._closes(place):
            return 0
        found = _SKIPPED.match(self.text, place)
        if not found:
            return 0
        if not char.isspace():
            self.comments.append(found.span())
        self._lines(place, found.end())
        return found.end()

    def _closes(self, place: int) -> bool:
        """Tell whether a comment that needs an end has one; asked of the text once for each kind without."""
        for start, end in (("/*", "*/"), ("<!--", "-->"), ("<#", "#>"), ("=begin", "=end")):
            if self.text.startswith(start, place):
                if start in self.open_ended:
                    return False
                if self.text.find(end, place + len(start)) < 0:
                    self.open_ended |= {start}
                    return False
        return True

    def _lines(self, start: int, end: int) -> None:
        count = self.text.count("\n", start, end)
        if count:
            self.line += count
            self.line_start = self.text.rfind("\n", start, end) + 1

    def _string(self, place: int) -> int:
        opening = _QUOTE.match(self.text, place)
        if not opening or not _PREFIX.fullmatch(opening["prefix"]) or self._inside_word(place, opening):
            return 0
        end = _string_end(self.text, opening.end(), opening["quote"], self.open_ended)
        if end < 0:
            if len(opening["quote"]) > 1 or opening["quote"] == "`":
                self.open_ended |= {opening["quote"]}
            return 0
        self._add("text", place, end + len(opening["quote"]), self.text[opening.end() : end], opening["quote"])
        self._lines(place, end)
        return end + len(opening["quote"])

    def _inside_word(self, place: int, opening: re.Match[str]) -> bool:
        """Tell an apostrophe, as in `don't`, from a string."""
        before = self.text[place - 1 : place]
        return before.isalnum() and opening["quote"] == "'"

    def _other(self, place: int) -> int:
        found = _WORD.match(self.text, place)
        if found:
            self._add("word", place, found.end(), found.group())
            return found.end()
        sign = _SIGN.match(self.text, place)
        end = sign.end() if sign else place + 1
        self._add("sign", place, end, self.text[place:end])
        return end

    def _add(self, kind: str, start: int, end: int, text: str, quote: str = "") -> None:
        self.tokens.append(Token(kind, text, start, end, self.line, start - self.line_start, quote))

    def without_comments(self) -> str:
        pieces, place = list[str](), 0
        for start, end in self.comments:
            blank = "".join("\n" if char == "\n" else " " for char in self.text[start:end])
            pieces += [self.text[place:start], blank]
            place = end
        return "".join([*pieces, self.text[place:]])


def _string_end(text: str, place: int, quote: str, open_ended: frozenset[str]) -> int:
    """Return where the string ends whose inside begins at `place`; -1 if it does not, or not on its line."""
    if len(quote) == 3:
        return -1 if quote in open_ended else text.find(quote, place)
    if quote in open_ended:
        return -1
    over_lines = quote == "`"
    while place < len(text):
        char = text[place]
        if char == quote:
            return place
        if char == "\n" and not over_lines:
            return -1
        if quote != "'" and text.startswith(("${", "#{"), place):
            place = hole_end(text, place + 1, "\n" if not over_lines else "")
        else:
            place += 2 if char == "\\" else 1
    return -1


def hole_end(text: str, place: int, stop: str = "") -> int:
    """Return where the bracket at `place` is closed again, as far as it may be looked for; else one further."""
    opening, depth = text[place], 0
    closing = OPENING[opening]
    for at in range(place, min(len(text), place + _LONGEST_HOLE)):
        if text[at] == stop:
            break
        depth += (text[at] == opening) - (text[at] == closing)
        if not depth:
            return at + 1
    return place + 1


def _pair(tokens: list[Token]) -> None:
    """Give each bracket its other half, and each token the bracket that it stands in."""
    still_open: list[int] = []
    waiting = dict.fromkeys(OPENING, 0)
    for index, token in enumerate(tokens):
        sign = token.text if token.kind == "sign" else ""
        if sign in _CLOSING and waiting[_CLOSING[sign]]:
            while True:
                opened = still_open.pop()
                waiting[tokens[opened].text] -= 1
                if tokens[opened].text == _CLOSING[sign]:
                    break
            tokens[opened].partner, token.partner = index, opened
        token.parent = still_open[-1] if still_open else -1
        if sign in OPENING:
            still_open.append(index)
            waiting[sign] += 1
