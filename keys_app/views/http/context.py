"""What every page needs to know."""

import logging
from collections.abc import Callable

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from keys_app import __version__
from keys_app.core.http.simulator import EndpointKind, endpoint_at
from keys_app.key_requests import deciders
from keys_app.key_requests.queries import yours_count
from keys_app.organisation import access

from . import keyboard
from .theme import theme_of

ENDPOINT_NOTES = {
    EndpointKind.SIMULATOR: "Simulator of Twilio at {url}. Keys made here work nowhere.",
    EndpointKind.LOCAL: "Keys are made through {url}, a real endpoint on this machine: they may work at Twilio.",
    EndpointKind.SILENT: "The endpoint on this machine, {url}, doesn’t answer. It may be a real one.",
}

log = logging.getLogger(__name__)


def portal(request: HttpRequest) -> dict[str, object]:
    """Context processor: version, theme, person, what waits for them, the sign-in provider, what Twilio is here."""
    context: dict[str, object] = {
        "version": __version__,
        "theme": theme_of(request),
        "has_shortcuts": keyboard.choice_of(request) == keyboard.ON,
        "endpoint_note": _endpoint_note(),
        "local_sign_in": settings.LOCAL_SIGN_IN,
        "provider": settings.OIDC.name if settings.OIDC.issuer else "",
    }
    user = getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        who = access.person(user)
        context["person"] = who
        context["waiting_count"] = SimpleLazyObject(lambda: _counted(deciders.waiting_count, who, "is_approver"))
        context["yours_count"] = SimpleLazyObject(lambda: _counted(yours_count, who, "may_request"))
    return context


def _endpoint_note() -> str:
    """Return what is to be known of the place where keys are made; empty for Twilio itself."""
    base_url = settings.TWILIO_IAM_BASE_URL
    return ENDPOINT_NOTES.get(endpoint_at(base_url), "").format(url=base_url.geturl())


def _counted(count: Callable[[access.Person], int], who: access.Person, right: str) -> int:
    """Return how many requests wait for this person, 0 without the `right`; asked by a template that shows it.

    Without a database it is 0: a page with a secret is shown once.
    """
    try:
        return count(who) if getattr(who, right) else 0
    except DatabaseError:
        log.exception("what waits for %s could not be counted", who.user.pk)
        return 0
