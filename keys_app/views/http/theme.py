"""Light, dark, or as the system is: kept in a cookie, so that the page to sign in has it too."""

from django.conf import settings
from django.http import HttpRequest

COOKIE = f"{'__Host-' if settings.SESSION_COOKIE_SECURE else ''}theme"
THEMES = ("light", "dark")
KEPT_FOR = 365 * 24 * 60 * 60
"""Seconds since it was chosen."""


def theme_of(request: HttpRequest) -> str:
    """Return which of `THEMES` the user of this browser chose; empty for one who has it as the system is."""
    theme = request.COOKIES.get(COOKIE, "")
    return theme if theme in THEMES else ""
