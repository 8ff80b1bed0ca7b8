"""What a key could do at each moment of its life, as the ledger tells it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from .models import AuditEvent

_ENDS = frozenset({"key.revoked", "key.orphan_deleted", "key.breach_deleted"})
_BEFORE = frozenset({"key.issue_started", "key.issue_refused", "key.issue_not_processed", "key.issue_unknown"})


@dataclass(slots=True)
class Period:
    """From one moment to the next the key could do the same. `until` is None for now; `policy` is empty once it ended.

    `numbers` are the events in it; the first one began it.
    """

    start: datetime
    policy: tuple[str, ...]
    action: str
    until: datetime | None = None
    numbers: list[int] = field(default_factory=list)

    def holds(self, moment: datetime) -> bool:
        return self.start <= moment and (self.until is None or moment < self.until)


def life(events: Iterable[AuditEvent]) -> list[Period]:
    """Return the periods of a key's life, oldest first, from its events in order.

    A period begins when the key is made, whenever an event carries another policy than the one before,
    and when the key is gone.
    """
    periods: list[Period] = []
    ended = False
    for event in events:
        allowed = () if event.action in _ENDS else event.permissions
        begins = not ended and event.action not in _BEFORE and _differs(allowed, periods, event.action)
        if begins:
            if periods:
                periods[-1].until = event.time
            periods.append(Period(event.time, allowed, event.action))
            ended = event.action in _ENDS
        if periods:
            periods[-1].numbers.append(event.sequence)
    return periods


def _differs(allowed: tuple[str, ...], periods: list[Period], action: str) -> bool:
    """Tell whether an event with this policy begins a period; one without a policy does so only as an end."""
    if action in _ENDS:
        return bool(periods)
    return bool(allowed) and (not periods or allowed != periods[-1].policy)
