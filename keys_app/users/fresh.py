"""When the user of a session last proved who they are: what matters needs that to be a short while ago."""

import time

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase

AUTHENTICATED_AT = "portal.authenticated_at"


def note_authenticated(session: SessionBase, at: float | None = None) -> None:
    """Note that the session's user proved who they are: now, or `at` that second since 1970, never later than now."""
    now = time.time()
    session[AUTHENTICATED_AT] = now if at is None else min(at, now)


def is_fresh(session: SessionBase) -> bool:
    """Tell whether that was within `PORTAL_REAUTHENTICATE_AFTER` seconds; always, where that is 0.

    A session from before the portal noted it is not fresh, nor is one noted by a clock that was far ahead.
    """
    if not settings.REAUTHENTICATE_AFTER:
        return True
    noted = session.get(AUTHENTICATED_AT)
    return isinstance(noted, int | float) and abs(time.time() - noted) < settings.REAUTHENTICATE_AFTER
