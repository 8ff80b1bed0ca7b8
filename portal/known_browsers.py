"""Browsers that a user signed in from before: a signed cookie says so, for that user and as long as their password.

It lets no one in. It only has wrong passwords counted apart, so that no one who guesses locks that user out.
"""

import secrets

from django.conf import settings
from django.contrib.auth.models import User
from django.core import signing
from django.http import HttpRequest, HttpResponse

from keys_app.organisation.access import same_login
from keys_app.users.account_changes import known_of

KNOWN_FOR = 90 * 24 * 60 * 60
"""Seconds since the last sign-in."""


def id_for(request: HttpRequest, name: str) -> str:
    """Return the id of the browser of a request, if the user with this login signed in from it; otherwise empty."""
    user = same_login(name)
    return _id(request, user) if user else ""


def remember(request: HttpRequest, response: HttpResponse, user: User) -> None:
    """Let the browser that gets this answer be known as one of this user's from now on."""
    value = signing.dumps(_id(request, user) or secrets.token_urlsafe(12), salt=_salt(user))
    response.set_cookie(
        _cookie(user),
        value,
        max_age=KNOWN_FOR,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _id(request: HttpRequest, user: User) -> str:
    try:
        return str(signing.loads(request.COOKIES.get(_cookie(user), ""), salt=_salt(user), max_age=KNOWN_FOR))
    except signing.BadSignature:
        return ""


def _cookie(user: User) -> str:
    return f"{'__Host-' if settings.SESSION_COOKIE_SECURE else ''}known-{user.pk}"


def _salt(user: User) -> str:
    """Return what a cookie is signed for. A new password, or sessions that were ended, make it another."""
    return f"{__name__}:{user.pk}:{user.get_session_auth_hash()}:{known_of(user).sessions_ended}"
