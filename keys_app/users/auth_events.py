"""Signing in and out, as ledger events. What was typed as a password is never here."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.http import HttpRequest

from keys_app.audit.record import record
from keys_app.audit.throttle import note
from keys_app.core.actor import Actor
from keys_app.organisation.access import same_login

from . import account_changes, fresh, sessions
from .account_changes import sign_in_of
from .limits import TooMany, note_block
from .password_tries import OF_SOURCES

_ENDED_BEFORE = "portal.sessions_ended"
MAILED_LINK = "a mailed link"
UNKNOWN = "an unknown name"
"""Written instead of a name nobody has: people type their password into the wrong field."""


def record_sign_in(*, user: User, address: str, details: Mapping[str, object] | None = None) -> None:
    """Record that a user signed in, from which address; `details` say with what, if not with a password."""
    record("user.signed_in", Actor.of(user, address), details=details)


def record_reauthentication(*, session: SessionBase, user: User, address: str, way: str) -> None:
    """Record that the user of a session signed in again in it, with a password or another way, and make it fresh.

    The session gets another key, so that a cookie which was copied before doesn't become fresh as well. The token of
    forms stays: pages that are open in other tabs can be sent.
    """
    with transaction.atomic():
        fresh.note_authenticated(session)
        session.cycle_key()
        record("user.reauthenticated", Actor.of(user, address), details={"with": way})


def record_sign_out(*, user: User, address: str) -> None:
    """Record that a user signed out, in a transaction of its own."""
    with transaction.atomic():
        record("user.signed_out", Actor.of(user, address))


def record_password_change(*, user: User, address: str, link: str) -> None:
    """Record that a user set their own password: signed in, or with a `link`; a mailed one takes a mark off it."""
    if link == MAILED_LINK:
        account_changes.password_set_by_mail(user=user)
    details = {"with": link} if link else {}
    record("user.password_changed", Actor.of(user, address), details=details)


def begin_session(*, request: HttpRequest, user: User, **_: object) -> None:
    """Let a new session remember how often the user's sessions were ended before it, and when its user signed in.

    Called by Django's signal.
    """
    remember_ended(request.session, user)
    fresh.note_authenticated(request.session)
    sessions.begin(request=request, user=user)


def remember_ended(session: SessionBase, user: User) -> None:
    """Let a session be one that began after all that ended the user's sessions until now."""
    session[_ENDED_BEFORE] = account_changes.known_of(user).sessions_ended


def is_ended(session: SessionBase | dict[str, Any], user: User) -> bool:
    """Tell whether a user's sessions were ended after this one began, as deactivating the user does."""
    return bool(session.get(_ENDED_BEFORE, 0) != sign_in_of(user).sessions_ended)


def note_failed_sign_in(*, name: str, address: str) -> None:
    """Record an attempt to sign in that failed: once within an hour for a person and address, then counted."""
    note("user.sign_in_failed", _who(name, address))


def note_turned_away(*, refused: TooMany, name: str, address: str) -> None:
    """Record that a limit turned a user away, with nothing tried: once a block, and for a source without a name."""
    note_block(refused, _who("" if refused.limit.kind in OF_SOURCES else name, address))


def _who(name: str, address: str) -> Actor:
    user = same_login(name) if name else None
    return Actor.of(user, address) if user else Actor(None, UNKNOWN, address)


def record_command(action: str, command: str, user: User) -> None:
    """Record what an operator did to an account with one of Django's own commands, in the same transaction."""
    rights = {"superuser": user.is_superuser, "active": user.is_active}
    actor = Actor.operator(command)
    account_changes.set_on_command_line(user=user, created=action == "user.created", actor=actor)
    record(action, actor, subject=user.get_username(), subject_id=str(user.pk), details=rights)
