"""The name of each state, as badges, refusals and mails write it; counts in words; and how long a text may be."""

from collections.abc import Iterable
from enum import StrEnum

from .errors import InvalidInput
from .typed import prose_problem, unified


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


def comment_problem(text: str) -> str:
    """Check a question about a request, or an answer to one."""
    if not text.strip():
        return "Write something first."
    return prose_problem(text, MAX_COMMENT, "text")


def reason_problem(reason: str) -> str:
    """Check the reason for what cannot be taken back."""
    return optional_reason_problem(reason) if reason.strip() else "Give a reason."


def optional_reason_problem(reason: str, what: str = "reason") -> str:
    """Check a reason, or a note, that need not be given."""
    return prose_problem(reason, MAX_REASON, what)


def require_reason(reason: str, *, field: str = "reason") -> str:
    """Return a reason as it is kept. Raises `InvalidInput` for `field` unless there is one, and one that can be."""
    if problem := reason_problem(reason):
        raise InvalidInput(field, problem)
    return unified(reason)


def check_reason(reason: str, *, field: str = "reason") -> str:
    """Return a reason that need not be given as it is kept. Raises `InvalidInput` for `field` if it cannot be."""
    if problem := optional_reason_problem(reason, field):
        raise InvalidInput(field, problem)
    return unified(reason)
