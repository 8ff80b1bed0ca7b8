"""Whether single keys do something on pages: kept in a cookie, as the theme is, for the keyboard of this machine."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from .theme import KEPT_FOR

COOKIE = f"{'__Host-' if settings.SESSION_COOKIE_SECURE else ''}keyboard"
ON, OFF = "on", "off"


def choice_of(request: HttpRequest) -> str:
    """Return whether the user of this browser has single keys `on` or `off`."""
    return OFF if request.COOKIES.get(COOKIE) == OFF else ON


def keep(answer: HttpResponse, choice: str) -> None:
    """Keep the choice in the browser that gets this answer; `on` is what stands without one."""
    answer.set_cookie(
        COOKIE,
        OFF if choice == OFF else "",
        max_age=KEPT_FOR if choice == OFF else 0,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
