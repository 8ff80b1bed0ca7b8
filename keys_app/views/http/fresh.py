"""Asks a user to sign in again before what matters, and leads back to its page, where the button is pressed again.

Nothing is sent again by the portal itself, and of a refused form no more is kept than `drafts` keeps.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect

from keys_app.users.fresh import is_fresh

from . import drafts
from .signed_in import Answer, PortalRequest, as_path, current_path, page_above

_PRESSED = "portal.pressed"


class NotFresh(Exception):
    """What a request asks for needs a fresh sign-in; `back` is the page to come back to. A middleware answers it."""

    def __init__(self, back: str) -> None:
        super().__init__(back)
        self.back = back


def require_fresh(request: HttpRequest) -> None:
    """Go on only if the user signed in a short while ago. Raises `NotFresh`."""
    if not is_fresh(request.session):
        raise NotFresh(_page_of(request))


def needs_fresh(view: Callable[..., Answer]) -> Callable[..., Answer]:
    """Let only a user through who signed in a short while ago."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> Answer:
        require_fresh(request)
        return view(request, *args, **kwargs)

    return wrapped


def fresh_download(view: Callable[..., Answer]) -> Callable[..., Answer]:
    """Send a file only to a user who signed in a short while ago; others come back to the page that offers it."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> Answer:
        if not is_fresh(request.session):
            raise NotFresh(page_above(request))
        return view(request, *args, **kwargs)

    return wrapped


def sign_in_again(request: PortalRequest, refused: NotFresh) -> HttpResponse:
    """Lead to the page for that, and keep what was typed as it is kept when a session ends."""
    if request.method == "POST":
        drafts.keep(request)
    if request.method == "POST" or refused.back != request.get_full_path():
        request.session[_PRESSED] = True
    address = f"{reverse('account_reauthenticate')}?{urlencode({'next': refused.back})}"
    return HttpResponseClientRedirect(address) if request.htmx else redirect(address)


def welcome_back(request: HttpRequest) -> None:
    """Say to a user who signed in again what to do now."""
    again = " Nothing was done yet: press the button again." if request.session.pop(_PRESSED, False) else ""
    messages.success(request, f"Signed in again.{again}")


def _page_of(request: Any) -> str:
    """Return the page a request comes from: what htmx or the browser says, if it is one of the portal's own.

    An address that takes only a POST leads up to its page by itself. A page that is asked for is the page itself.
    """
    if request.htmx:
        return current_path(request)
    own = str(request.get_full_path())
    came_from = urlsplit(request.headers.get("Referer", ""))
    if request.method != "POST" or came_from.netloc != request.get_host():
        return own
    return as_path(came_from._replace(scheme="", netloc="", fragment="").geturl()) or own
