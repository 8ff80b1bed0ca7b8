"""What a key could do at each moment of its life, as the ledger tells it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from keys_app.permissions.seen_policy import NoPolicy, stands_for_no_policy

from .models import AuditEvent

Allowed = tuple[tuple[str, ...], NoPolicy | None]
"""Permissions, and what a key had in place of a policy."""

_ENDS = frozenset(
    {"key.revoked", "key.vanished", "key.orphan_deleted", "key.breach", "key.breach_deleted", "key.unmanaged_gone"}
    | {"catalogue.key_deleted"}
)
_ONLY_ASKED_FOR = frozenset({"key.issue_started", "key.issue_refused", "key.issue_not_processed", "key.issue_unknown"})
"""They carry what was asked for, which is not what a key has."""
_AFTER_ITS_END = frozenset({"key.reappeared", "key.adopted"})
_SEEN_OTHERWISE = frozenset({"key.drifted", "key.policy_breach"})
_AFTER_A_DRIFT = _ENDS | {"key.drifted", "key.drift_cleared"}
"""What counts while a key is not at Twilio what was approved: every other event repeats what was approved."""


@dataclass(slots=True)
class Period:
    """From one moment to the next the key could do the same. `until` is None for now.

    `no_policy` says what it had in place of one: with either, nearly nothing may have been forbidden. `numbers` are the
    events in it; the first one, `action`, began it.
    """

    start: datetime
    policy: tuple[str, ...]
    no_policy: NoPolicy | None
    action: str
    until: datetime | None = None
    numbers: list[int] = field(default_factory=list)

    @property
    def is_unreadable(self) -> bool:
        return self.no_policy is NoPolicy.UNREADABLE

    @property
    def gone(self) -> bool:
        return self.action in _ENDS

    def holds(self, moment: datetime) -> bool:
        return self.start <= moment and (self.until is None or moment < self.until)


def life(events: Iterable[AuditEvent]) -> list[Period]:
    """Return the periods of a key's life, oldest first, from its events in order.

    A period begins when the key is made, whenever an event carries another policy than the one before, when it is
    found changed at Twilio or as approved again (it may have been so before: this is when it was seen), and when
    the key is gone.
    """
    periods: list[Period] = []
    for event in events:
        could = _could_do(event)
        last = periods[-1] if periods else None
        if could and _counts(event.action, last) and _differs(event.action, could, last):
            if last:
                last.until = event.time
            periods.append(Period(event.time, *could, event.action))
        if periods:
            periods[-1].numbers.append(event.sequence)
    return periods


def _differs(action: str, could: Allowed, last: Period | None) -> bool:
    return last is None or last.gone or action in _ENDS or could != (last.policy, last.no_policy)


def _could_do(event: AuditEvent) -> Allowed | None:
    """Return the policy an event speaks of, and what was in place of one; None if it does not say."""
    if event.action in _ENDS:
        return (), None
    if event.action in _SEEN_OTHERWISE:
        return _seen(event)
    if event.action in ("key.adopted", "key.drift_cleared") and not event.policy:
        return (), NoPolicy.STANDARD
    return (event.permissions, None) if event.permissions and event.action not in _ONLY_ASKED_FOR else None


def _seen(event: AuditEvent) -> Allowed | None:
    """Return what the key was seen to allow: what was approved, with what the details say is different."""
    details = event.details
    if event.action == "key.policy_breach" and not details.keys() & {"policy", "added", "removed"}:
        return None  # an older one, which says only what was asked for
    if no_policy := stands_for_no_policy(details):
        return (), no_policy
    added, removed = (_names(details.get(name)) for name in ("added", "removed"))
    if not (event.policy or added or removed):
        return (), NoPolicy.STANDARD  # an adopted one of which only the name changed
    return tuple(sorted({*event.permissions, *added} - removed)), None


def _names(value: object) -> set[str]:
    return {str(name) for name in value} if isinstance(value, list) else set()


def _counts(action: str, last: Period | None) -> bool:
    """Tell whether what an event says of the policy begins a period after the last one."""
    if last is None:
        return action not in _ENDS
    if last.gone:
        return action in _AFTER_ITS_END
    return action in _AFTER_A_DRIFT or last.action not in _SEEN_OTHERWISE
