"""What several models share: the shape of SIDs, and choices from states."""

from collections.abc import Iterable
from typing import Any

from django.core.validators import RegexValidator
from django.db.models import F, Func, IntegerField, Q

from .text import label

account_sid = RegexValidator(r"\AAC[0-9a-fA-F]{32}\Z", "An account SID is AC and 32 hexadecimal digits.")


key_sid = RegexValidator(r"\ASK[0-9a-fA-F]{32}\Z", "A key SID is SK and 32 hexadecimal digits.")


def choices_of(states: Any) -> list[tuple[str, str]]:
    """Return an enum's members as a model's choices, each with its name in words."""
    return [(state.value, label(state)) for state in states]


def one_of(field: str, states: Any) -> Q:
    """Return the condition that a field holds one of these members of an enum."""
    return Q(**{f"{field}__in": [state.value for state in states]})


def rank_of(field: str, values: Iterable[str]) -> Func:
    """Return the place of a column's value among `values`, from 0, to sort by; anything else comes behind them.

    The values stand in the SQL itself: with parameters an index on the same expression would not be used.
    """
    places = [f"WHEN '{value}' THEN {place}" for place, value in enumerate(map(str, values))]
    template = f"(CASE %(expressions)s {' '.join(places)} ELSE {len(places)} END)"
    return Func(F(field), template=template, output_field=IntegerField())
