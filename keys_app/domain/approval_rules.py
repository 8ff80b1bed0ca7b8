"""How many approvals a request needs, and from whom."""

from collections.abc import Sequence
from dataclasses import dataclass

from .risk import Risk

SECURITY = "security"
"""The capacity in which Security approves; each other one is a lead's, or a rule's in a lead's place."""

_NUMBERS = {1: "A lead of the team", 2: "Two leads of the team"}
_ORDINALS = {1: "first", 2: "second", 3: "third"}


def ordinal(number: int) -> str:
    """Return which approval this is, in words."""
    return _ORDINALS.get(number, f"{number}th")


@dataclass(frozen=True, slots=True)
class Need:
    """Leads approve first, `leads` of them (1 or 2); then, with `security`, somebody of Security does."""

    leads: int
    security: bool

    @classmethod
    def of(cls, *, risk: str, leads: int) -> "Need":
        return cls(leads=leads, security=risk == Risk.CRITICAL)

    @property
    def total(self) -> int:
        return self.leads + self.security

    def leads_missing(self, given: Sequence[str]) -> int:
        """Return how many leads' approvals are missing, from the capacities of those given.

        What Security gave beyond its own stands in for a lead's.
        """
        by_security = given.count(SECURITY)
        return max(0, self.leads - (len(given) - by_security) - max(0, by_security - self.security))

    def missing(self, given: Sequence[str]) -> int:
        """Return how many approvals are missing in all, from the capacities of those given."""
        return self.leads_missing(given) + max(0, self.security - given.count(SECURITY))

    @property
    def words(self) -> str:
        """Say who decides, as the beginning of a sentence."""
        leads = _NUMBERS[self.leads]
        verb = "decides" if self.leads == 1 else "decide"
        return f"{leads} {verb}, then Security" if self.security else f"{leads} {verb}"
