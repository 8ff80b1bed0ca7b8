"""Which assignment a name in pasted code means: the nearest before it that certainly reaches it."""

import re
from bisect import bisect_left
from dataclasses import dataclass

from .code import Code

_ASSIGNS = frozenset({"=", ":=", "+=", ".=", "||=", "?="})
_OWN = re.compile(r"^(?:self|this|_|cls)\.|^[$@]+(?:this\.)?|^process\.env\.|^os\.environ\.|^env:")
_FUNCTIONS = frozenset({"def", "function", "func", "fn", "fun", "sub", "lambda"})
_NO_FUNCTIONS = frozenset(
    {"if", "for", "while", "switch", "catch", "with", "using", "foreach", "elseif", "unless", "until", "match", "when"}
)
_ENDS = _ASSIGNS | {",", ";", ")", "]", "}"}
_SHELL_LINE = re.compile(
    r"^[ \t]{0,40}(?:export |readonly |local |set |\$ )?(?P<name>[A-Za-z_]\w*)=(?P<value>[^\s\"'`()]+)[ \t]*$"
    r"|^@(?P<file_name>[\w-]+)[ \t]{0,9}=[ \t]{0,9}(?P<file_value>\S+)[ \t]*$",
    re.MULTILINE,
)
_LONGEST_NAME = 5
_ELSE = frozenset({"else", "elif", "elsif", "elseif", "except", "catch"})
_BEFORE_BRANCH = 14
_LEFTMOST = 20


@dataclass(frozen=True, slots=True)
class Assignment:
    """What stands between the tokens `start` and `end` is put into `name`; `literal` is a value that is no code.

    `adds` tells that it is put behind what was in it before; `everywhere` that it is a constant or an attribute,
    which other functions see. Without a range and a literal the value is not known.
    """

    name: str
    index: int
    start: int
    end: int
    adds: bool = False
    literal: str | None = None
    everywhere: bool = False


def bare(name: str) -> str:
    """Return a name without what languages put in front of it: `$url`, `self.url`, `this.url`, `@url`."""
    name = name.replace("->", ".").replace("::", ".").replace("?.", ".").strip("!?")
    while found := _OWN.match(name):
        name = name[found.end() :]
    return name


class Names:
    """All assignments of a paste, and where each of them counts."""

    def __init__(self, code: Code) -> None:
        self.code = code
        self._places: dict[str, dict[int, Assignment]] = {}
        self._shadows: dict[str, list[tuple[int, int]]] = {}
        self._left_at = _lines_left(code, least=1)
        self._over_at = _lines_left(code, least=0)
        for index in range(len(code.tokens)):
            if code.sign(index) in _ASSIGNS:
                self._assign(index)
            elif code.word(index) in ("for", "foreach"):
                self._loop(index)
            elif code.sign(index) == "(":
                self._parameters(index)
        for match in _SHELL_LINE.finditer(code.text):
            self._shell(match)
        self._by_name = {
            name: sorted(places.values(), key=lambda one: one.index) for name, places in self._places.items()
        }

    def find(self, name: str, at: int) -> Assignment | None:
        """Return the assignment that `name` means at the token `at`; None if there is none, or more than one could."""
        found = self._by_name.get(bare(name)) or self._by_name.get(bare(name).rpartition(".")[2], [])
        if len(found) == 1 and found[0].everywhere:
            return None if self._shadowed(found[0], at) else found[0]
        if bare(name) not in self._by_name:
            return self._in_table(bare(name), at)
        number = bisect_left(found, at, key=lambda one: one.index) - 1
        if number < 0:
            return None
        assigned = found[number]
        if not self._reaches(assigned, at) or self._shadowed(assigned, at):
            return None
        return None if number and self._is_other_branch(assigned.index) else assigned

    def _is_other_branch(self, index: int) -> bool:
        """Tell whether `else` stands just before an assignment: the one in the first branch may count as well."""
        return any(self.code.word(before) in _ELSE for before in range(max(0, index - _BEFORE_BRANCH), index))

    def _in_table(self, name: str, at: int) -> Assignment | None:
        """Return what a table that is written out in the paste holds: `config.baseUrl`."""
        holder, _, key = name.rpartition(".")
        table = self.find(holder, at) if holder else None
        if not table or self.code.sign(table.start) != "{" or self.code.closed(table.start) < 0:
            return None
        place = self.code.arguments(table.start).names.get(key)
        return Assignment(name, place[0], *place) if place else None

    def _shadowed(self, assigned: Assignment, at: int) -> bool:
        """Tell whether a parameter of the same name stands between."""
        return any(
            start <= at < end and not start <= assigned.index < end
            for start, end in self._shadows.get(assigned.name, ())
        )

    def attributes(self, name: str) -> list[Assignment]:
        """Return what is put into attributes of `name`, as in `req.method = "POST"`."""
        start = bare(name) + "."
        return [one for name, all_ in self._by_name.items() if name.startswith(start) for one in all_]

    def assigned_to(self, chain_start: int) -> str:
        """Return the name that the expression beginning at a token is put into, or nothing."""
        index = chain_start
        while index > 0 and (self.code.word(index - 1) in ("new", "await") or self.code.sign(index - 1) in ("&", "@")):
            index -= 1
        if self.code.sign(index - 1) == ")" and self.code.tokens[index - 1].partner >= 0:  # a cast
            index = self.code.tokens[index - 1].partner
        return self._target(index - 2)[0] if self.code.sign(index - 1) in _ASSIGNS else ""

    def _everywhere(self, name: str, first: int) -> bool:
        """Tell whether an assignment is one of a constant or of an object's own attribute."""
        if self.code.word(first) in ("self", "this", "cls", "$this") or self.code.word(first).startswith("@"):
            return True
        if self.code.tokens[first].parent > 0 and self.code.word(self.code.tokens[first].parent - 1) == "const":
            return True
        words = {self.code.word(index) for index in range(max(0, first - 4), first)}
        at_top = self.code.tokens[first].parent < 0 and self.code.tokens[first].column < _LEFTMOST
        return bool(words & {"static", "final", "readonly"}) or (at_top and ("const" in words or name.isupper()))

    def _reaches(self, assigned: Assignment, at: int) -> bool:
        token = self.code.tokens[min(assigned.index, len(self.code.tokens) - 1)]
        if token.parent >= 0:
            closing = self.code.tokens[token.parent].partner
            if 0 <= closing <= at:
                return False
        line = self.code.tokens[at].line if at < len(self.code.tokens) else token.line
        return self._left_at.get(token.line, line + 1) > line

    def _assign(self, index: int) -> None:
        name, first = self._target(index - 1)
        if not name:
            return
        parent = self.code.tokens[index].parent
        block = parent >= 0 and self.code.word(parent - 1) in ("const", "var")  # of Go
        if parent >= 0 and self.code.sign(parent) == "(" and self.code.sign(index) == "=" and not block:
            return  # an argument by name
        end = self._end(index + 1)
        adds = self.code.sign(index) in ("+=", ".=")
        self._add(Assignment(name, first, index + 1, end, adds, everywhere=self._everywhere(name, first)))

    def _add(self, assigned: Assignment) -> None:
        self._places.setdefault(assigned.name, {})[assigned.index] = assigned

    def _target(self, index: int) -> tuple[str, int]:
        """Return the name before an `=`, and where it begins: `self.url`, `url: str`, `var url string`."""
        for _ in range(4):  # a type between name and sign
            before = index - 1
            while self.code.sign(before) in ("&", "*"):
                before -= 1
            if self.code.word(index) and self.code.sign(before) == ":" and self._same_line(before, index):
                index = before - 1
            elif self.code.word(index) and self.code.word(index - 1) and self.code.word(index - 2) == "var":
                index -= 1
        names: list[str] = []
        while self.code.word(index) and len(names) < _LONGEST_NAME:
            names.append(self.code.word(index))
            if not self.code.is_joint(index - 1):
                break
            index -= 2
        return bare(".".join(reversed(names))), index

    def _same_line(self, one: int, other: int) -> bool:
        return self.code.tokens[one].line == self.code.tokens[other].line

    def _end(self, start: int) -> int:
        """Return where the expression ends that begins at `start`: with its line, unless it is carried on."""
        index = start
        parent = self.code.tokens[start - 1].parent
        while index < len(self.code.tokens):
            sign = self.code.sign(index)
            if sign in _ENDS or self.code.tokens[index].parent != parent:
                break
            if index > start and self._new_statement(index):
                break
            closing = self.code.closed(index)
            index = closing + 1 if closing >= 0 else index + 1
        return index

    def _new_statement(self, index: int) -> bool:
        if self.code.tokens[index].line == self.code.tokens[index - 1].line:
            return False
        before, here = self.code.sign(index - 1), self.code.sign(index)
        if here in ("+", ".", "..", "?.", "->", "::", "%", "<>", "||", "??", "?", ":", "&&"):
            return False
        carried = before in ("+", ".", "..", "%", "<>", "||", "??", "\\", "(", "=", ":=", ".=", "+=", "?", ":", "&")
        return not carried

    def _loop(self, index: int) -> None:
        """Take the variables of a loop for unknown."""
        for at in range(index + 1, min(index + 12, len(self.code.tokens))):
            word = self.code.word(at)
            if word in ("in", "of") or self.code.sign(at) == "{":
                break
            if word:
                self._add(Assignment(bare(word), at, 0, 0))

    def _parameters(self, opening: int) -> None:
        """Hide names behind the parameters of the function whose parameters stand in this bracket."""
        closing = self.code.closed(opening)
        if closing < 0:
            return
        start, end = self._body(opening, closing)
        if end <= start:
            return
        index = opening + 1
        while index < closing:
            if self.code.word(index):
                self._shadows.setdefault(bare(self.code.word(index)), []).append((start, end))
            inner = self.code.closed(index)
            index = inner + 1 if inner >= 0 else index + 1

    def _body(self, opening: int, closing: int) -> tuple[int, int]:
        """Return the range of tokens of a function's body, empty if the bracket holds no parameters."""
        before, two_before = self.code.word(opening - 1), self.code.word(opening - 2)
        for index in range(closing + 1, closing + 7):
            if self.code.sign(index) == "{" and before not in _NO_FUNCTIONS:
                end = self.code.closed(index)
                return index, end if end >= 0 else len(self.code.tokens)
            if self.code.sign(index) in (";", ")", ",", ".", "=", "("):
                break
        if self.code.sign(closing + 1) == "=>" or before in _FUNCTIONS or two_before in _FUNCTIONS:
            return opening, self._dedented(opening)
        return 0, 0

    def _dedented(self, index: int) -> int:
        """Return the first token of the line on which the block of `index` is over."""
        line = self._over_at.get(self.code.tokens[index].line)
        if line is None:
            return len(self.code.tokens)
        return bisect_left(self.code.tokens, line, key=lambda token: token.line)

    def _shell(self, match: re.Match[str]) -> None:
        name, value = match["name"] or match["file_name"], match["value"] or match["file_value"]
        start = match.start("name") if match["name"] else match.start()
        index = bisect_left(self.code.tokens, start, key=lambda token: token.start)
        self._add(Assignment(bare(name), index, 0, 0, literal=value))


def _lines_left(code: Code, *, least: int) -> dict[int, int]:
    """Return, for each line with code, the next line that is at least `least` columns less indented."""
    found: dict[int, int] = {}
    waiting: list[tuple[int, int]] = []
    before = -1
    for token in code.tokens:
        if token.line == before:
            continue
        before = token.line
        while waiting and waiting[-1][0] >= token.column + least:
            found[waiting.pop()[1]] = token.line
        waiting.append((token.column, token.line))
    return found
