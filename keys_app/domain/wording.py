"""The names of states, and counts in words, for pages, mails, refusals and reports."""

from enum import StrEnum


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
