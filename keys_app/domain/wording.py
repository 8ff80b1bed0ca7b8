"""The names of states, and counts, moments and durations in words, for pages, mails, refusals and reports."""

from datetime import datetime, timedelta
from enum import StrEnum

_UNITS = (("day", 86400, 3600), ("hour", 3600, 60), ("minute", 60, 1), ("second", 1, 1))
"""A unit's name, its length, and that of the next smaller one, in seconds."""
_FEW = 3
"""From this many on, a length is rounded to whole units: “2 hours 30 minutes”, but “4 hours”."""


def label(state: StrEnum) -> str:
    """Return the one name of a state, as a badge shows it; in a sentence it is written in lower case."""
    return state.value.replace("_", " ").capitalize()


def with_login(name: str, login: str) -> str:
    """Return a user's name with the login behind it, which no other user has: “Erin Engineer (engineer)”."""
    return f"{name} ({login})" if login and login != name else name


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


def moment(at: datetime) -> str:
    """Return a moment in UTC to the minute."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def duration(length: timedelta) -> str:
    """Return a length of time as one would say it: “7 seconds”, “1 hour 30 minutes”, “4 days”."""
    seconds = max(length.total_seconds(), 0.0)
    for name, size, finer in _UNITS:
        rounded = round(seconds / finer) * finer
        if rounded >= size:
            whole, rest = divmod(rounded, size)
            if whole >= _FEW:
                return counted(round(seconds / size), name)
            if not rest:
                return counted(whole, name)
            return f"{counted(whole, name)} {duration(timedelta(seconds=rest))}"
    return "less than a second"
