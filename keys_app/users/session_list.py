"""The sessions of a user, as they see them, and how they end one, the others or all."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from allauth.usersessions.models import UserSession
from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from keys_app.audit.record import record
from keys_app.core.actor import Actor
from keys_app.core.times import second

from . import account_changes
from .auth_events import is_ended, remember_ended
from .session_store import SessionStore
from .sessions import UNKNOWN_ADDRESS, over

MOST = 100
"""So many sessions are listed; a script that signs in each time may leave more behind."""


@dataclass(frozen=True, slots=True)
class ListedSession:
    """What a user is shown of a session. Its key is not here: who knows it is signed in."""

    pk: int
    begun: datetime
    last_used: datetime
    address: str
    browser: str
    is_this: bool


def sessions_of(user: User, this: SessionBase) -> list[ListedSession]:
    """Return a user's sessions that are alive, `this` one first and the others by their last use."""
    rows = list(_rows(user).exclude(over()).order_by("-last_seen_at")[:MOST])
    alive = _alive(user, [row.session_key for row in rows])
    listed = [_listed(row, this) for row in rows if row.session_key in alive]
    return sorted(listed, key=lambda one: not one.is_this)


def is_this_one(*, user: User, pk: int, this: SessionBase) -> bool:
    """Tell whether this is a request's own session. Raises `UserSession.DoesNotExist` where the user has none such."""
    return bool(_rows(user).get(pk=pk).session_key == this.session_key)


def end_one(*, user: User, pk: int, actor: Actor) -> None:
    """End one of a user's sessions. Raises `UserSession.DoesNotExist` where the user has no such one."""
    with transaction.atomic():
        row = _rows(user).get(pk=pk)
        SessionStore().delete(row.session_key)
        record("user.session_ended", actor, begun=second(row.created_at), browser=row.user_agent)


def end_all(*, user: User, actor: Actor, but: SessionBase | None = None) -> None:
    """End all of a user's sessions `but` one, also those that no list has.

    The browsers of the others don't count as ones this user signed in from before any more.
    """
    with transaction.atomic():
        account_changes.end_sessions(user)
        if but is not None:
            remember_ended(but, user)
            but.save()
        rows = _rows(user).exclude(session_key=but and but.session_key)
        Session.objects.filter(session_key__in=rows.values("session_key")).delete()
        rows.delete()
        record("user.sessions_ended", actor, which="all" if but is None else "all others")


def _rows(user: User) -> QuerySet[Any]:
    rows: QuerySet[Any] = UserSession.objects.filter(user=user)
    return rows


def _alive(user: User, keys: list[str]) -> set[str]:
    """Return which of these keys are of sessions that would let this user in."""
    stored = Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
    password = user.get_session_auth_hash()
    data = {row.session_key: row.get_decoded() for row in stored}
    return {
        key
        for key, kept in data.items()
        if constant_time_compare(kept.get(HASH_SESSION_KEY, ""), password) and not is_ended(kept, user)
    }


def _listed(row: Any, this: SessionBase) -> ListedSession:
    address = "" if row.ip == UNKNOWN_ADDRESS else row.ip
    is_this = row.session_key == this.session_key
    return ListedSession(row.pk, row.created_at, row.last_seen_at, address, row.user_agent, is_this)
