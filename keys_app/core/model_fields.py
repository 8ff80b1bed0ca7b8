"""What several models share: the shape of SIDs, and choices from states."""

from typing import Any

from django.core.validators import RegexValidator
from django.db.models import Q

from .text import label

account_sid = RegexValidator(r"\AAC[0-9a-fA-F]{32}\Z", "An account SID is AC and 32 hexadecimal digits.")


key_sid = RegexValidator(r"\ASK[0-9a-fA-F]{32}\Z", "A key SID is SK and 32 hexadecimal digits.")


def choices_of(states: Any) -> list[tuple[str, str]]:
    """Return an enum's members as a model's choices, each with its name in words."""
    return [(state.value, label(state)) for state in states]


def one_of(field: str, states: Any) -> Q:
    """Return the condition that a field holds one of these members of an enum."""
    return Q(**{f"{field}__in": [state.value for state in states]})
