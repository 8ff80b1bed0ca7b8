"""What several models share: the shape of names from outside, choices from states, and guardrails."""

from typing import Any

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q

from .domain.guardrails import GuardRails
from .domain.policy import PERMISSION_SHAPE
from .domain.risk import Risk
from .domain.wording import label

account_sid = RegexValidator(r"\AAC[0-9a-fA-F]{32}\Z", "An account SID is AC and 32 hexadecimal digits.")
permission_name = RegexValidator(
    rf"\A{PERMISSION_SHAPE.pattern}\Z", "A permission looks like /twilio/product/resource/action."
)
key_sid = RegexValidator(r"\ASK[0-9a-fA-F]{32}\Z", "A key SID is SK and 32 hexadecimal digits.")


def choices_of(states: Any) -> list[tuple[str, str]]:
    """Return an enum's members as a model's choices, each with its name in words."""
    return [(state.value, label(state)) for state in states]


def one_of(field: str, states: Any) -> Q:
    """Return the condition that a field holds one of these members of an enum."""
    return Q(**{f"{field}__in": [state.value for state in states]})


class GuardRailed(models.Model):
    """Limits an operator sets on what may be asked for. Empty means no limit."""

    allowed_products = models.JSONField(default=list, blank=True)
    forbidden_permissions = models.JSONField(default=list, blank=True)
    max_risk = models.CharField(max_length=10, choices=choices_of(Risk), blank=True)
    max_lifetime_days: int | None

    class Meta:
        abstract = True

    @property
    def guard_rails(self) -> GuardRails:
        return GuardRails(
            allowed_products=frozenset(self.allowed_products),
            forbidden=frozenset(self.forbidden_permissions),
            max_risk=Risk(self.max_risk) if self.max_risk else None,
            max_lifetime_days=self.max_lifetime_days,
        )
