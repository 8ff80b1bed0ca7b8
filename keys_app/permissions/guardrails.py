"""Guardrails: what a key of an account or a team may hold at most, whoever asks and whoever approves."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from keys_app.core.text import counted

from .catalogue import PRODUCT_TITLES, expand
from .policy import PERMISSION_SHAPE
from .risk import Risk, risk_of

_T = TypeVar("_T")

_NOTHING = frozenset({"-"})
"""Allowed products when two sets have none in common. Not the empty set, which stands for all; no product is `-`."""


@dataclass(frozen=True, slots=True)
class GuardRails:
    """Limits on a policy. What is left at its default does not limit anything.

    `allowed_products` are names of products, as in `messaging`; empty for all. `forbidden` are permissions,
    explicit or the wildcard of a resource, and are kept spelled out. `max_lifetime_days` is in days.

    Raises `ValueError` for a forbidden name that has not the form of a permission: a slip of the pen there
    would forbid nothing.
    """

    allowed_products: frozenset[str] = frozenset()
    forbidden: frozenset[str] = frozenset()
    max_risk: Risk | None = None
    max_lifetime_days: int | None = None

    def __post_init__(self) -> None:
        wrong = sorted(name for name in self.forbidden if not PERMISSION_SHAPE.fullmatch(name))
        if wrong:
            raise ValueError(f"not permissions: {', '.join(wrong)}")
        spelled_out = frozenset(explicit for name in self.forbidden for explicit in expand(name))
        object.__setattr__(self, "forbidden", spelled_out)
        object.__setattr__(self, "allowed_products", frozenset(self.allowed_products))

    def problems(self, permissions: Iterable[str], lifetime_days: int | None = None) -> tuple[str, ...]:
        """Return a sentence for each rule that `permissions` or the lifetime breaks, naming the permissions.

        Wildcards count as their explicit actions. No lifetime given means that it is not looked at.
        """
        by_reason: dict[str, list[str]] = {}
        for name in sorted({explicit for given in permissions for explicit in expand(given)}):
            for reason in self._reasons(name):
                by_reason.setdefault(reason, []).append(name)
        sentences = [f"{reason}: {', '.join(names)}." for reason, names in by_reason.items()]
        if self.max_lifetime_days is not None and lifetime_days is not None and lifetime_days > self.max_lifetime_days:
            sentences.append(f"Maximum lifetime: {counted(self.max_lifetime_days, 'day')}. You chose {lifetime_days}.")
        return tuple(sentences)

    def blocks(self, permission: str) -> str:
        """Return why this permission cannot be chosen, or an empty text. A wildcard is as bad as its worst action."""
        for name in expand(permission):
            reason = next(iter(self._reasons(name)), "")
            if reason:
                return reason + "."
        return ""

    @property
    def blocks_any(self) -> bool:
        """Tell whether there is anything they block, besides a lifetime."""
        return bool(self.allowed_products or self.forbidden or self.max_risk is not None)

    def __or__(self, other: object) -> "GuardRails":
        """Return rails that allow what both allow."""
        if not isinstance(other, GuardRails):
            return NotImplemented
        return GuardRails(
            allowed_products=_common(self.allowed_products, other.allowed_products),
            forbidden=self.forbidden | other.forbidden,
            max_risk=min(_given(self.max_risk, other.max_risk), key=lambda risk: risk.weight, default=None),
            max_lifetime_days=min(_given(self.max_lifetime_days, other.max_lifetime_days), default=None),
        )

    def _reasons(self, name: str) -> Iterable[str]:
        if not PERMISSION_SHAPE.fullmatch(name):
            yield "Not a permission"
            return
        if self.allowed_products and name.split("/")[2] not in self.allowed_products:
            yield self._products_allowed()
        if name in self.forbidden:
            yield "Forbidden by the guardrails"
        if self.max_risk is not None and risk_of(name).weight > self.max_risk.weight:
            yield f"The risk is {risk_of(name).value}, and {self.max_risk.value} is the highest allowed"

    def _products_allowed(self) -> str:
        if self.allowed_products == _NOTHING:
            return "The guardrails together allow no product"
        titles = sorted(PRODUCT_TITLES.get(product, product) for product in self.allowed_products)
        return f"Only permissions of {', '.join(titles)} are allowed"


def _common(one: frozenset[str], other: frozenset[str]) -> frozenset[str]:
    if not one or not other:
        return one | other
    return one & other or _NOTHING


def _given(*values: _T | None) -> list[_T]:
    return [value for value in values if value is not None]
