"""Passwords that are long enough and still guessed early: repetitions, and names that everyone knows."""

import re

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError

SHORT_UNIT = 12
"""What is repeated counts once, so that it must be as long as a password must be."""
LEAST_NAME = 3
"""Shorter names are part of too many words."""
OF_THE_PORTAL = ("keyportal", "portal", "twilio")


class RepetitionValidator:
    """Refuses what one short unit makes by repetition, also if the last one is cut: `lead2lead2lead2`."""

    def validate(self, password: str, user: User | None = None) -> None:
        text = password.casefold()
        for length in range(1, min(SHORT_UNIT, len(text) // 2 + 1)):
            unit = text[:length]
            if (unit * len(text))[: len(text)] == text:
                raise ValidationError("This password repeats a few characters over and over.", code="repeating")

    def get_help_text(self) -> str:
        return "Your password can’t be a few characters repeated over and over."


class NamesValidator:
    """Refuses what holds the user's login or name, or the portal's, whatever its case and what stands between."""

    def validate(self, password: str, user: User | None = None) -> None:
        text = _letters(password)
        if any(name in text for name in OF_THE_PORTAL):
            raise ValidationError("This password holds the name of the portal or of what it is for.", code="portal")
        if user is not None and any(name in text for name in _names_of(user)):
            raise ValidationError("This password holds your login, name or mail address.", code="name")

    def get_help_text(self) -> str:
        return "Your password can’t hold your login, your name, your mail address or the portal’s name."


def _names_of(user: User) -> list[str]:
    given = [user.get_username(), user.first_name, user.last_name, user.email.partition("@")[0]]
    named = [text for text in given if text]  # a login that its field refused is None
    parts = [part for text in named for part in (text, *re.split(r"[\W_]+", text))]
    return [name for part in parts if len(name := _letters(part)) >= LEAST_NAME]


def _letters(text: str) -> str:
    """Return letters and digits alone, in one case."""
    return "".join(character for character in text.casefold() if character.isalnum())
