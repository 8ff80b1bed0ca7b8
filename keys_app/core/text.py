"""The name of each state, as badges, refusals and mails write it; counts in words; and what a text may hold."""

from collections.abc import Iterable
from enum import StrEnum

from .errors import InvalidInput


def label(state: StrEnum) -> str:
    """Return the one name of a state, as a badge shows it; in a sentence it is written in lower case."""
    return state.value.replace("_", " ").capitalize()


def cannot_move(thing: str, state: StrEnum, to: StrEnum, read: StrEnum | None = None) -> str:
    """Say why `thing`, which is in `state` now, does not become `to`. `read` is the state it was first read in."""
    refused = f"This {thing} can't move from {label(state).lower()} to {label(to).lower()}."
    if read is None or read == state:
        return refused
    return f"{refused} It was {label(read).lower()} a moment ago: another user or the portal was first."


_ORDINALS = {1: "first", 2: "second", 3: "third"}


def ordinal(number: int) -> str:
    """Return “first”, “second”, “4th”."""
    return _ORDINALS.get(number, f"{number}th")


def counted(number: int, noun: str) -> str:
    """Return “1 day”, “2 days”."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def joined(words: Iterable[str]) -> str:
    """Return “a”, “a and b”, “a, b and c”."""
    *firsts, last = words
    return f"{', '.join(firsts)} and {last}" if firsts else last


MAX_COMMENT = 2000
MAX_REASON = 2000


# Control characters, and format characters that change in which order a reader sees the others.
HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")


def comment_problem(text: str) -> str:
    """Check a question about a request, or an answer to one."""
    if not text.strip():
        return "Write something first."
    return lines_problem(text, MAX_COMMENT, "text")


def reason_problem(reason: str) -> str:
    """Check the reason for what cannot be taken back."""
    return optional_reason_problem(reason) if reason.strip() else "Give a reason."


def optional_reason_problem(reason: str, what: str = "reason") -> str:
    """Check a reason, or a note, that need not be given."""
    return lines_problem(reason, MAX_REASON, what)


def lines_problem(text: str, most: int, what: str) -> str:
    """Check a text of several lines, which may be empty."""
    if len(text) > most:
        return f"The {what} has {len(text)} characters; at most {most} are kept."
    if "\0" in text or _REORDERING & set(text):
        return f"The {what} has characters that cannot be seen. Type it again."
    return ""


def require_reason(reason: str, *, field: str = "reason") -> None:
    """Raise `InvalidInput` for `field` unless there is a reason, and one that can be kept."""
    if problem := reason_problem(reason):
        raise InvalidInput(field, problem)


def check_reason(reason: str, *, field: str = "reason") -> None:
    """Raise `InvalidInput` for `field` if a reason that need not be given cannot be kept."""
    if problem := optional_reason_problem(reason, field):
        raise InvalidInput(field, problem)
