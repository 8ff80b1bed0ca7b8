"""Who does something, as the ledger records it."""

import getpass
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from allauth.account.adapter import get_adapter
from django.contrib.auth.models import User
from django.http import HttpRequest

from ..audit import ledger
from ..domain.present import present
from ..domain.risk import policy_risk
from ..domain.times import rfc3339
from ..domain.wording import with_login
from ..models import Account, ApiKey, KeyRequest
from ..selectors import display_name, sign_in_of
from ..selectors.signed_in import signed_in

log = logging.getLogger(__name__)


MAX_NAME = 320
"""The longest name of an actor that the ledger keeps. A user's has at most 301 characters."""


@dataclass(frozen=True, slots=True)
class Actor:
    """A signed-in user with the address they come from, or a part of the portal itself (no user).

    `id` and `login` are what the ledger copies of the user; they outlive the user.
    """

    user: User | None
    name: str
    address: str = ""
    id: str = ""
    login: str = ""

    @property
    def label(self) -> str:
        """Return the name as approvers and auditors see it: with the login behind it."""
        return with_login(self.name, self.login)

    @property
    def signed_in(self) -> User:
        """Return the user, for what only a user does. Raises `TypeError` for a part of the portal."""
        return present(self.user)

    @classmethod
    def of(cls, user: User, address: str = "") -> "Actor":
        return cls(user, display_name(user), address, str(user.pk), user.get_username())

    @classmethod
    def operator(cls, command: str) -> "Actor":
        """Return whoever runs a management command, by the operating system's name for them."""
        try:
            name = getpass.getuser()
        except (KeyError, OSError):
            name = "an operator"
        return cls(None, f"{command} by {name}"[:MAX_NAME])

    @classmethod
    def system(cls, name: str) -> "Actor":
        return cls(None, name)


def actor_of(request: HttpRequest) -> Actor:
    """Return who is asking, and from which address (behind `PORTAL_TRUSTED_PROXIES` proxies)."""
    return Actor.of(signed_in(request), address_of(request))


def address_of(request: HttpRequest) -> str:
    """Return the address a request came from (behind `PORTAL_TRUSTED_PROXIES` proxies); empty if it is unknown."""
    return get_adapter().get_client_ip(request) or ""


def record(
    action: str,
    actor: Actor,
    *,
    account: Account | None = None,
    key_request: KeyRequest | None = None,
    key: ApiKey | None = None,
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
    by = sign_in_of(actor.user).password_set_by if actor.user else ""
    return {"password_set_by": by} if by else {}


def _policy_of(key: ApiKey | None, key_request: KeyRequest | None) -> tuple[str, str]:
    """Return policy and risk for an event; empty where what is stored is no policy: such a key must still end."""
    try:
        if key:
            return key.policy_json and key.policy.to_json(), key.risk
        return (key_request.policy_json, policy_risk(key_request.policy)) if key_request else ("", "")
    except ValueError:
        log.exception("the policy of %s cannot be read", key or key_request)
        return "", ""
