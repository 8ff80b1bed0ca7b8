"""What the events of a request or key say that it is now: each event in turn, as the code that wrote it meant it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User

from keys_app.core.actor import name_and_login
from keys_app.key_requests.states import IssuanceState, RequestState, step_after
from keys_app.keys.states import KeyState

_REQUEST_AFTER = {
    "request.created": RequestState.PENDING,
    "request.approved": RequestState.APPROVED,
    "request.glass_broken": RequestState.APPROVED,
    "request.rejected": RequestState.REJECTED,
    "request.cancelled": RequestState.CANCELLED,
    "request.lapsed": RequestState.LAPSED,
    "request.approval_void": RequestState.PENDING,
    "request.approval_withdrawn": RequestState.PENDING,
    "key.issued": RequestState.ISSUED,
    "key.replace_started": RequestState.APPROVED,
}
_BEGUN = ("key.issue_started", "key.rotate_started")
_ATTEMPT_ENDED = {
    "key.issue_refused": IssuanceState.REFUSED,
    "key.rotate_refused": IssuanceState.REFUSED,
    "key.issue_not_processed": IssuanceState.NOT_PROCESSED,
    "key.rotate_not_processed": IssuanceState.NOT_PROCESSED,
    "key.never_created": IssuanceState.NEVER_CREATED,
    "key.orphan_deleted": IssuanceState.ORPHAN_DELETED,
    "key.doubtful_deleted": IssuanceState.ORPHAN_DELETED,
    "key.breach": IssuanceState.BREACH,
    "key.breach_deleted": IssuanceState.BREACH,
}
_DECIDED = {
    "request.approved": "approved",
    "request.approval_given": "approved",
    "request.rejected": "rejected",
    "request.reviewed": "reviewed",
}
_OTHERS = ("key.policy_breach", "request.narrowed")
TOLD_OF_REQUESTS = [*dict.fromkeys([*_REQUEST_AFTER, *_BEGUN, *_ATTEMPT_ENDED, *_DECIDED, *_OTHERS])]

KEY_MADE = ["key.issued", "key.adopted", "key.kept"]
_KEY_AFTER = {
    **dict.fromkeys(KEY_MADE, KeyState.ACTIVE),
    "key.came_back": KeyState.ACTIVE,
    "key.revoke_started": KeyState.REVOKING,
    "key.replace_started": KeyState.REVOKING,
    "key.reappeared": KeyState.REVOKING,
    "key.revoked": KeyState.REVOKED,
    "key.vanished": KeyState.REVOKED,
}
TOLD_OF_KEYS = [*_KEY_AFTER, "key.handed_over"]


@dataclass(slots=True)
class Told:
    """What the events say: by field its value, and the number of the event that said it last.

    `decisions` has (what, by whom, why) by the number of its event; `void` counts the approvals that no longer count.
    """

    values: dict[str, object] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    decisions: dict[int, tuple[str, str, str]] = field(default_factory=dict)
    void: int = 0
    last: int = 0

    def say(self, event: Any, **values: object) -> None:
        """Take from an event what it says; what it does not say, as an older one, stays open."""
        said = {name: value for name, value in values.items() if value is not None}
        self.values |= said
        self.numbers |= dict.fromkeys(said, event.sequence)
        self.last = event.sequence


@dataclass(slots=True)
class _Attempt:
    """The attempt to make a key that is not settled yet."""

    marker: object = None
    rotation: bool = False
    breach: bool = False


def request_as_told(events: Iterable[Any], kept: set[str]) -> Told | None:
    """Return what the events of a request say, oldest first; None if none says that it was sent.

    `kept` are the markers of attempts whose key a person kept: that ends them as well, under the key's own name.
    """
    told, attempt = Told(), _Attempt()
    for event in events:
        details = event.details
        if event.action == "request.created":
            told.say(event, requester=event.actor_id, account=event.account_sid, name=details.get("name"))
        if event.action in {"request.created", "request.narrowed"}:
            days = details.get("lifetime_to", details.get("lifetime_days"))
            told.say(event, policy=event.policy, lifetime=days)
        if event.action in _DECIDED:
            told.decisions[event.sequence] = (_DECIDED[event.action], _by(event), event.reason)
        told.void += _made_void(event)
        if state := _state_after(event, attempt, kept):
            told.say(event, state=state)
    return told if "requester" in told.values else None


def _by(event: Any) -> str:
    rule = event.details.get("rule")
    return str(rule.get("name")) if isinstance(rule, dict) else event.actor_id


def _made_void(event: Any) -> int:
    """Return how many approvals an event says no longer count."""
    if event.action == "request.approval_void":
        return len(event.details.get("void", ()))
    return int(event.action == "request.approval_withdrawn" and event.details.get("of") != "break-glass access")


def _state_after(event: Any, attempt: _Attempt, kept: set[str]) -> RequestState | None:
    """Return the request's state after an event, None if that leaves it as it was; note what becomes of an attempt."""
    marker = event.details.get("marker")
    if event.action in _BEGUN:
        attempt.marker, attempt.rotation, attempt.breach = marker, event.action == "key.rotate_started", False
        return RequestState.ISSUED if marker in kept else RequestState.ISSUING
    if event.action == "key.policy_breach":
        attempt.breach |= marker == attempt.marker
        return None
    if event.action in _ATTEMPT_ENDED:
        if marker != attempt.marker or marker in kept:  # of an attempt that had ended before
            return None
        outcome = IssuanceState.BREACH if attempt.breach else _ATTEMPT_ENDED[event.action]
        attempt.marker = None
        step = step_after(outcome, rotation=attempt.rotation)
        return step.after if step else None
    return _REQUEST_AFTER.get(event.action)


def key_as_told(events: Iterable[Any], owner: User) -> Told | None:
    """Return what the events of a key say, oldest first; None if none says that the portal has it.

    `owner` is who owns it by its row: events of before 0.9.3 name an owner by name and login alone.
    """
    told = Told()
    for event in events:
        details = event.details
        if event.action in KEY_MADE:
            told.say(event, account=event.account_sid, request=event.request_id, policy=event.policy)
            told.say(event, expiry=_moment(details.get("expires")), owner=_owner(event, owner))
        elif event.action == "key.handed_over":
            told.say(event, owner=event.actor_id)
        if event.action in _KEY_AFTER:
            told.say(event, state=_KEY_AFTER[event.action])
    return told if "account" in told.values else None


def _owner(event: Any, owner: User) -> object:
    """Return the id of the owner that an event names; None if it can't be told, as after a change of login."""
    if event.action == "key.issued":
        return event.actor_id
    if "owner_id" in event.details:
        return event.details["owner_id"]
    name = event.details.get("owner")
    if name == name_and_login(owner):
        return str(owner.pk)
    login = str(name).rpartition("(")[2].removesuffix(")")
    named = User.objects.filter(username=login).first()
    return str(named.pk) if named else None


def _moment(text: object) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None
