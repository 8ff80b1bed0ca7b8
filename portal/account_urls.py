"""The account pages people need. The sign-in library has more, for sites where people sign up by themselves."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account import urls
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, include, path

from keys_app.views.http.problem import with_wait
from portal.oidc import pages as oidc

KEPT = {
    "account_login",
    "account_signup",  # says that it is closed
    "account_inactive",
    "account_reauthenticate",
    "account_change_password",
}
BY_MAIL = {
    "account_reset_password",
    "account_reset_password_done",
    "account_reset_password_from_key",
    "account_reset_password_from_key_done",
}

LIMITED = {"account_login", "account_reauthenticate", "account_change_password", "account_reset_password"}

LEADING_TO_PROVIDER = {"account_login", "account_reauthenticate"}


def _saying_how_long(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Let a form that a limit refused be answered with 429 and the wait; the page says it and keeps the name typed."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        return with_wait(view(request, *args, **options), getattr(request, "refused", None))

    return wrapped


def _with_password(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Refuse who has no password in the portal: the library would lead them to a page to set one."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        if request.user.is_authenticated and not request.user.has_usable_password():
            raise PermissionDenied("You have no password in the portal.")
        return view(request, *args, **options)

    return wrapped


def _limited(pattern: URLPattern) -> URLPattern:
    view = _saying_how_long(pattern.callback)
    if pattern.name == "account_change_password":
        view = _with_password(view)
    if pattern.name in LEADING_TO_PROVIDER:
        view = oidc.leads_to_provider(view)
    return URLPattern(pattern.pattern, view, pattern.default_args, pattern.name)


def pages(*, by_mail: bool) -> list[URLPattern]:
    """Return the account pages, with those that mail a link for a new password or without."""
    kept = KEPT | BY_MAIL if by_mail else KEPT
    return [_limited(one) if one.name in LIMITED else one for one in urls.urlpatterns if one.name in kept]


# Those of OpenID Connect, and with what replaces the library's own.
PROVIDER: list[URLPattern | URLResolver] = [
    path("logout/", oidc.SignOutView.as_view(), name="account_logout"),
    path("oidc/", include(oidc)),
]

urlpatterns = [*PROVIDER, *pages(by_mail=settings.SENDS_MAIL)]
