"""The calls in pasted code: chains such as `a.b(x).c(y)`, with the arguments of each call."""

import re
from dataclasses import dataclass, field
from functools import cached_property

from .tokens import OPENING, tokenize

_JOINTS = frozenset({".", "?.", "->", "::", "\\"})
_PAIRS = frozenset({"=", ":", "=>"})
_SEPARATORS = frozenset({",", ";"})
# Languages in which a dot puts strings together: PHP and Perl.
_DOT_JOINS = re.compile(r"<\?php|\$\w+[ \t]{0,9}->|\bcurl_(?:init|setopt)\b|^[ \t]{0,40}(?:my )?\$\w+ ?=.*;", re.M)
_SAYS_METHOD = re.compile(
    r"(?<![a-z])(?:method|verb|post|put|patch|delete|data|body|json|form|type|request|write|head)|(?<!\w)-[XdFTI]\b|--\w",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"^[>|] ?", re.MULTILINE)
_ALL_QUOTED = re.compile(r"(?:(?:[>|][^\n]{0,4000})?\n){0,9999}[>|][^\n]*\n?")  # as in an answered mail
_ADDED = re.compile(r"^\+(?![+])", re.MULTILINE)
_REMOVED = re.compile(r"^-(?!-).*$", re.MULTILINE)
_REMOVED_ALONE = re.compile(r"^-(?:[ \t]{2,}|\w+[.(]).*$", re.MULTILINE)
# What is around code on its way: Markdown's fences, HTML's tags.
_FENCE = re.compile(
    r"^[ \t]{0,9}```[\w-]{0,20}[ \t]{0,9}$|</?(?:pre|code|p|div|span|br|li)\b[^<>\n]{0,100}>", re.MULTILINE
)


@dataclass(slots=True)
class CallLink:
    """One name of a chain, and the index of the bracket its arguments stand in (-1: not called)."""

    name: str
    index: int
    opening: int = -1


@dataclass(slots=True)
class Chain:
    """`head.link(…).link` from the token `start` up to `end`; `made` tells that `new` stands before it."""

    start: int
    end: int
    links: list[CallLink]
    made: bool = False

    @property
    def name(self) -> str:
        return ".".join(link.name + ("()" if link.opening >= 0 else "") for link in self.links)


@dataclass(slots=True)
class Arguments:
    """What stands in a bracket: ranges of tokens, by place and by name."""

    places: list[tuple[int, int]] = field(default_factory=list)
    names: dict[str, tuple[int, int]] = field(default_factory=dict)
    spread: bool = False


def _without_removed(text: str) -> str:
    """Return a diff without the lines it takes out, place for place; any other text as it is."""
    whole = bool(_ADDED.search(text) and _REMOVED.search(text))
    text = (_REMOVED if whole else _REMOVED_ALONE).sub(lambda found: " " * len(found.group()), text)
    return _ADDED.sub(" ", text) if whole else text


def _commented_method(text: str, without: str) -> bool:
    comments = (a for a, b in zip(text.split("\n"), without.split("\n"), strict=True) if a != b)
    return any(_SAYS_METHOD.search(comment) for comment in comments)


class Code:
    """Pasted text as code."""

    def __init__(self, text: str) -> None:
        text = _without_removed(_QUOTED.sub("", text) if _ALL_QUOTED.fullmatch(text) else text)
        text = _FENCE.sub(lambda found: " " * len(found.group()), text)
        self.tokens, self.text = tokenize(text)
        self.default = "" if _commented_method(text, self.text) else "GET"
        """What a request without a method is; unknown where a comment may hold the method that was taken out."""
        self.dot_joins = bool(_DOT_JOINS.search(text))
        self._arguments: dict[int, Arguments] = {}

    def sign(self, index: int) -> str:
        """Return the sign at `index`, empty for anything else."""
        if 0 <= index < len(self.tokens) and self.tokens[index].kind == "sign":
            return self.tokens[index].text
        return ""

    def word(self, index: int) -> str:
        """Return the word at `index`, empty for anything else."""
        if 0 <= index < len(self.tokens) and self.tokens[index].kind == "word":
            return self.tokens[index].text
        return ""

    def closed(self, index: int) -> int:
        """Return where the bracket at `index` closes, or -1."""
        return self.tokens[index].partner if self.sign(index) in OPENING else -1

    def is_joint(self, index: int) -> bool:
        """Tell whether the sign at `index` leads from a name to a name of it."""
        sign = self.sign(index)
        if sign != ".":
            return sign in _JOINTS
        if self.dot_joins or not self.word(index + 1) or self.word(index + 1)[0] == "$":
            return False
        return self._touches(index) or not (index and self._touches(index - 1))

    def _touches(self, index: int) -> bool:
        """Tell whether the token at `index` ends where the next one begins."""
        return index + 1 < len(self.tokens) and self.tokens[index].end == self.tokens[index + 1].start

    @cached_property
    def chains(self) -> dict[int, Chain]:
        """Return every chain by the index of its first token."""
        found: dict[int, Chain] = {}
        for index, token in enumerate(self.tokens):
            if self.is_joint(index - 1) or self.word(index - 1) == "new":
                continue
            if token.kind == "word":
                found[index] = self._chain(index, [], index)
            elif self._headless(index):
                end = self.closed(index) if token.kind == "sign" else index
                found[index] = self._chain(index, [CallLink("", index)], end + 2)
        return found

    def _headless(self, index: int) -> bool:
        """Tell whether a chain begins with the string or bracket at `index`: `"…".format(x)`, `(new A()).b()`."""
        end = self.closed(index) if self.sign(index) in ("(", "[") else index
        if end < 0 or (self.tokens[index].kind == "sign" and end == index):
            return False
        called = self.sign(index) == "(" and self.word(index - 1)
        return not called and self.is_joint(end + 1) and bool(self.word(end + 2))

    def _chain(self, start: int, links: list[CallLink], index: int) -> Chain:
        made = self.word(index) == "new" and bool(self.word(index + 1) or self.sign(index + 1) == "\\")
        index += made + (made and self.sign(index + 1) == "\\")
        while self.word(index):
            link = CallLink(self.word(index), index)
            links.append(link)
            index = self._after_generic(index + 1)
            index += self.sign(index) == "!" and self.sign(index + 1) == "("  # a macro of Rust
            if self.sign(index) == "(" or (self.sign(index) == "{" and made):
                if self.closed(index) < 0:
                    break
                link.opening = index
                index = self.closed(index) + 1
                if made and self.sign(index) == "{" and link.opening == index - 2 and self.closed(index) >= 0:
                    link.opening, index = index, self.closed(index) + 1  # new Message() { Method = … }
            while self.sign(index) == "[" and self.closed(index) >= 0 and self._touches(index - 1):
                index = self.closed(index) + 1
            while self.sign(index) in ("?", "!") and self.is_joint(index + 1):
                index += 1
            if not self.is_joint(index):
                break
            index += 1
        return Chain(start, index, links, made)

    def _after_generic(self, index: int) -> int:
        """Return `index`, or what comes after `<Type>` there when a call follows it."""
        at = index + (self.sign(index) == "::")
        if self.sign(at) != "<":
            return index
        for end in range(at + 1, at + 8):
            if self.sign(end) == ">" and self.sign(end + 1) == "(":
                return end + 1
        return index

    def arguments(self, opening: int) -> Arguments:
        """Return what stands in the bracket at `opening`."""
        if opening not in self._arguments:
            self._arguments[opening] = self.split(opening + 1, self.closed(opening))
        return self._arguments[opening]

    def split(self, index: int, end: int) -> Arguments:
        """Return what stands between two tokens, as if it were in a bracket."""
        found = Arguments()
        start = index
        while index < end:
            ends_here = self.sign(index) in _SEPARATORS or self._next_line_pairs(start, index)
            if ends_here:
                self._take(found, start, index)
                start = index + (self.sign(index) in _SEPARATORS)
            closing = self.closed(index)
            index = closing + 1 if closing >= 0 else index + 1
        self._take(found, start, end)
        return found

    def _next_line_pairs(self, start: int, index: int) -> bool:
        """Tell whether a `Name = value` on a line of its own begins at `index` (PowerShell's tables)."""
        if index == start or self.tokens[index].line == self.tokens[index - 1].line:
            return False
        return bool(self.word(index)) and self.sign(index + 1) == "="

    def _take(self, found: Arguments, start: int, end: int) -> None:
        if start >= end:
            return
        first = self.tokens[start]
        named = first.kind in ("word", "text") and self.sign(start + 1) in _PAIRS and start + 2 < end
        if self.sign(start) == ":" and self.word(start + 1) and self.sign(start + 2) == "=>":  # Ruby's :method => …
            found.names[self.word(start + 1)] = (start + 3, end)
        elif named:
            found.names[first.text.lstrip("$")] = (start + 2, end)
        elif self.sign(start) in ("...", "*", "**", "..") or first.text.startswith("@"):
            found.spread = True
        else:
            found.places.append((start, end))

    def called_with(self, chain: Chain) -> list[tuple[CallLink, Arguments]]:
        """Return the calls of a chain, each with its arguments."""
        return [(link, self.arguments(link.opening)) for link in chain.links if link.opening >= 0]
