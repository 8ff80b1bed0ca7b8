"""When a session ends by itself, and what is known of its use: begun, last used, from where and with which browser."""

import logging
from datetime import timedelta
from typing import cast

from allauth.account.adapter import get_adapter
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.db import DatabaseError
from django.db.models import Exists, OuterRef, Q
from django.http import HttpRequest
from django.utils import timezone

from keys_app.core.times import duration

from .browsers import browser_in_words
from .session_store import SessionStore

BACKGROUND = "X-Portal-Background"
"""The header of what a page asks for by itself, as one that keeps itself up to date does. That is no use."""
UNKNOWN_ADDRESS = "0.0.0.0"  # noqa: S104 (nothing listens there)
"""Kept for a session whose client's address is unknown, since the library's table wants one."""
_MINUTE = timedelta(minutes=1)

log = logging.getLogger(__name__)


def begin(*, request: HttpRequest, user: User) -> None:
    """Note that a user's session begins now, from where and with which browser."""
    if not request.session.session_key:
        request.session.save()
    now = timezone.now()
    row = UserSession(
        session_key=request.session.session_key, user=user, created_at=now, last_seen_at=now, **_client(request)
    )
    told = ["user", "created_at", "last_seen_at", "ip", "user_agent"]
    UserSession.objects.bulk_create([row], update_conflicts=True, unique_fields=["session_key"], update_fields=told)


def note_use(request: HttpRequest) -> None:
    """Note that the user of a request uses their session, at most once a minute.

    Two requests at once write it once. A page is not refused because this can't be written.
    """
    if BACKGROUND in request.headers:
        return
    session, now = cast(SessionStore, request.session), timezone.now()
    before = now - (min(_MINUTE, settings.SESSION_IDLE / 10) or _MINUTE)
    try:
        if session.last_used is None:  # it began with a version that noted no use
            begin(request=request, user=cast(User, request.user))
        elif session.last_used <= before:
            noted_before = UserSession.objects.filter(session_key=session.session_key, last_seen_at__lte=before)
            noted_before.update(last_seen_at=now, **_client(request))
    except DatabaseError:
        log.exception("the use of a session could not be noted")


def why_over(session: SessionBase) -> str:
    """Return, for its user, why a session is over by the clock; empty while it's not."""
    store, now = cast(SessionStore, session), timezone.now()
    if store.begun and now - store.begun > _longest():
        return f"You signed in more than {duration(_longest())} ago."
    if settings.SESSION_IDLE and store.last_used and now - store.last_used > settings.SESSION_IDLE:
        return f"You were away for more than {duration(settings.SESSION_IDLE)}."
    return ""


def over() -> Q:
    """Return which sessions are over by the clock, or their user may not sign in any more."""
    now = timezone.now()
    which = Q(created_at__lt=now - _longest()) | Q(user__is_active=False)
    return which | Q(last_seen_at__lt=now - settings.SESSION_IDLE) if settings.SESSION_IDLE else which


def clear_old() -> None:
    """Remove the sessions that are over, and what is known of each session that is no more.

    One that another session of its user ended, or a new password, stays out of use until it's over by the clock.
    """
    SessionStore.clear_expired()
    Session.objects.filter(session_key__in=UserSession.objects.filter(over()).values("session_key")).delete()
    UserSession.objects.exclude(Exists(Session.objects.filter(session_key=OuterRef("session_key")))).delete()


def _longest() -> timedelta:
    return timedelta(seconds=settings.SESSION_COOKIE_AGE)


def _client(request: HttpRequest) -> dict[str, str]:
    address = str(get_adapter().get_client_ip(request))
    browser = browser_in_words(request.headers.get("User-Agent", ""))
    return {"ip": address or UNKNOWN_ADDRESS, "user_agent": browser}
