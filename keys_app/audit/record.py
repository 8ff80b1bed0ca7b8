"""Writing an event: the one way into the ledger.

There is no list of actions: one is named where it is recorded. What a timeline says of it is in `wording.py`, and
`tests/matrix/` wants each that the source names to be made.
"""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Protocol
from uuid import UUID

from keys_app.core.actor import Actor
from keys_app.core.times import rfc3339
from keys_app.permissions.policy import Policy
from keys_app.permissions.risk import Risk, policy_risk

from . import ledger

log = logging.getLogger(__name__)


class HasSid(Protocol):
    """What an event needs of a Twilio account."""

    @property
    def sid(self) -> str: ...


class HasName(Protocol):
    """What an event needs of a team."""

    @property
    def name(self) -> str: ...


class Subject(Protocol):
    """What an event needs of a request or a key."""

    @property
    def account(self) -> HasSid: ...
    @property
    def team(self) -> HasName: ...
    @property
    def policy_json(self) -> str: ...
    @property
    def policy(self) -> Policy: ...


class RecordedRequest(Subject, Protocol):
    """What an event needs of a request besides."""

    @property
    def pk(self) -> UUID: ...


class RecordedKey(Subject, Protocol):
    """What an event needs of a key besides."""

    @property
    def sid(self) -> str: ...
    @property
    def request_id(self) -> UUID | None: ...
    @property
    def risk(self) -> Risk: ...


def record(
    action: str,
    actor: Actor,
    *,
    account: HasSid | None = None,
    key_request: RecordedRequest | None = None,
    key: RecordedKey | None = None,
    key_sid: str = "",
    request_id: str = "",
    reason: str = "",
    details: Mapping[str, object] | None = None,
    **more: object,
) -> None:
    """Append an event to the ledger in the running transaction, as its last write. Every event is written here.

    Whatever else is named is a detail, as what is in `details`. Account, team, risk and policy are taken from the
    key or request. `key_sid` and `request_id` are for a key or request that the portal has no row of. Where somebody
    else set the password the actor signs in with, the event says who.
    """
    subject = key or key_request
    if account is None and subject is not None:
        account = subject.account
    policy, risk = _policy_of(key, key_request)
    ledger.append(
        ledger.Entry(
            action=action,
            actor_name=actor.name,
            actor_id=actor.id,
            login=actor.login,
            address=actor.address,
            account_sid=account.sid if account else "",
            key_sid=key.sid if key else key_sid,
            request_id=str(key_request.pk if key_request else (key and key.request_id) or request_id),
            team=subject.team.name if subject else "",
            risk=risk,
            policy=policy,
            reason=reason,
            details=_written({**(details or {}), **more, **mark_of(actor)}),
        )
    )


def _written(details: dict[str, object]) -> dict[str, object]:
    """Return an event's details, with moments as the ledger writes them."""
    return {name: rfc3339(it, "auto") if isinstance(it, datetime) else it for name, it in details.items()}


def mark_of(actor: Actor) -> dict[str, str]:
    """Return what an event says of the actor's password: who else set it, if anybody did."""
    return {"password_set_by": actor.password_set_by} if actor.password_set_by else {}


def _policy_of(key: RecordedKey | None, key_request: RecordedRequest | None) -> tuple[str, str]:
    """Return policy and risk for an event; empty where what is stored is no policy: such a key must still end."""
    try:
        if key:
            return key.policy_json and key.policy.to_json(), key.risk
        return (key_request.policy_json, policy_risk(key_request.policy)) if key_request else ("", "")
    except ValueError:
        log.exception("the policy of %s cannot be read", key or key_request)
        return "", ""
