"""The search line of the audit: `action:key.issued -actor:lena created:>=2026-11-01 "free text"`.

Plain Python. A line is a list of terms, each a key, a value and whether it is negated. Several values of one key
mean any of them, negated ones mean none of them; different keys, and words of free text, must all hold.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from keys_app.core.errors import InvalidInput

from .qualifiers import CHECKS, TEXT, common_range, nearest_key, text_as_term

MAX_LINE = 1000
MAX_TERMS = 40
_PIECE = re.compile(r'\S*?"[^"]*(?:"|$)\S*|\S+')
_KEYED = re.compile(r"([A-Za-z_]+):(.*)", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


@dataclass(frozen=True, slots=True)
class Term:
    """One condition. `key` is one of the known keys, or `text` for free text."""

    key: str
    value: str
    negated: bool = False

    def render(self) -> str:
        """Return the term as it is written in the search line."""
        quoted = f'"{self.value}"' if _needs_quotes(self) else self.value
        return ("-" if self.negated else "") + ("" if self.key == TEXT else f"{self.key}:") + quoted


def _needs_quotes(term: Term) -> bool:
    if not term.value or re.search(r"\s", term.value):
        return True
    return term.key == TEXT and (
        term.value.startswith("-") or ":" in term.value or text_as_term(term.value) is not None
    )


@dataclass(frozen=True, slots=True)
class QueryProblem:
    """A part of the line that was not understood: where it is, and what to write instead."""

    start: int
    end: int
    message: str


class QueryError(InvalidInput):
    """Some of the line was not understood. `problems` points at each part, in order."""

    def __init__(self, line: str, problems: list[QueryProblem]) -> None:
        super().__init__("q", " ".join(problem.message for problem in problems))
        self.line = line
        self.problems = problems

    def pieces(self) -> list[tuple[str, str]]:
        """Return the line in pieces: what was understood with an empty message, what was not with its message."""
        found: list[tuple[str, str]] = []
        position = 0
        for problem in self.problems:
            found += [
                (self.line[position : problem.start], ""),
                (self.line[problem.start : problem.end], problem.message),
            ]
            position = problem.end
        return [(text, message) for text, message in [*found, (self.line[position:], "")] if text or message]


@dataclass(frozen=True, slots=True)
class Query:
    """What somebody looks for. Equal queries find the same events."""

    terms: tuple[Term, ...] = ()

    def render(self) -> str:
        return " ".join(term.render() for term in self.terms)

    def of(self, key: str, *, negated: bool = False) -> list[str]:
        """Return the values of one key."""
        return [term.value for term in self.terms if term.key == key and term.negated is negated]

    def single(self, key: str) -> str:
        """Return the value of a key that is there once and not negated; empty otherwise."""
        here = [term for term in self.terms if term.key == key and not term.negated]
        return here[0].value if len(here) == 1 else ""

    def without_singles(self, keys: Iterable[str]) -> "Query":
        """Return what fields with one value for each of these keys cannot show."""
        shown = {(key, self.single(key)) for key in keys if self.single(key)}
        return Query(tuple(t for t in self.terms if t.negated or (t.key, t.value) not in shown))


def parse(line: str) -> Query:
    """Read a search line. Raises `QueryError`, and nothing else, naming every part it does not understand."""
    line = _CONTROL.sub(" ", line)
    if len(line) > MAX_LINE:
        raise QueryError(
            "", [QueryProblem(0, 0, f"The search has {len(line)} characters; at most {MAX_LINE} are read.")]
        )
    found: dict[Term, None] = {}
    problems: list[QueryProblem] = []
    for match in _PIECE.finditer(line):
        try:
            found |= dict.fromkeys(_terms(match.group()))
        except ValueError as error:
            problems.append(QueryProblem(match.start(), match.end(), str(error)))
    if len(found) > MAX_TERMS:
        problems.append(QueryProblem(len(line), len(line), f"The search has more than {MAX_TERMS} conditions."))
    if not problems and (message := _contradiction(found)):
        problems.append(QueryProblem(0, len(line), message))
    if problems:
        raise QueryError(line, problems)
    return Query(tuple(found))


def combine(line: str, fields: Iterable[tuple[str, str]]) -> Query:
    """Return the query of a line together with form fields, each a key and what was typed.

    Raises `QueryError`: for the line as `parse` does, for a field with the whole term pointed at.
    """
    written = [Term(key, " ".join(_CONTROL.sub(" ", value).replace('"', " ").split())) for key, value in fields]
    extra = " ".join(term.value if term.key == TEXT else term.render() for term in written if term.value)
    return parse(f"{line} {extra}".strip())


def _terms(piece: str) -> Iterator[Term]:
    """Read one piece of the line. Raises `ValueError` with a message for the person who wrote it."""
    negated = piece.startswith("-") and len(piece) > 1
    body = piece[1:] if negated else piece
    if body.count('"') % 2:
        raise ValueError(f'{body} opens a quotation that does not end. Write a second “"” after it.')
    keyed = None if body.startswith('"') else _KEYED.fullmatch(body)
    if keyed:
        yield _keyed(keyed[1].lower(), keyed[2].replace('"', ""), negated)
        return
    quoted, text = '"' in body, " ".join(body.replace('"', " ").split())
    special = None if quoted else text_as_term(text)
    key, value = special or (TEXT, CHECKS[TEXT](text))
    yield Term(key, value, negated)


def _keyed(key: str, value: str, negated: bool) -> Term:
    if key == TEXT or key not in CHECKS:
        raise ValueError(f"“{key}:” is not something to search by. {nearest_key(key)}")
    value = " ".join(value.split())
    if not value:
        raise ValueError(f"“{key}:” needs a value right after it.")
    return Term(key, CHECKS[key](value), negated)


def _contradiction(found: Iterable[Term]) -> str:
    """Return why nothing can match, where the ranges of time exclude each other."""
    ranges = [term.value for term in found if term.key == "created" and not term.negated]
    return "" if common_range(ranges) else "The times exclude each other: no moment is in all of them."
