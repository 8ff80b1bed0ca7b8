"""The account pages people need. The sign-in library has more, for sites where people sign up by themselves."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account import urls
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, include, path

from keys_app.views import account
from keys_app.views.http.problem import with_wait
from portal.local_sign_in import accept_invitation, emergency_sign_in, for_passwords
from portal.oidc import pages as oidc

from .reauthentication import ReauthenticateView

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

LEADING_TO_PROVIDER = {"account_login"}

OWN_VIEWS = {"account_reauthenticate": ReauthenticateView.as_view()}


def _saying_how_long(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Let a form that a limit refused be answered with 429 and the wait; the page says it and keeps the name typed."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        return with_wait(view(request, *args, **options), getattr(request, "refused", None))

    return wrapped


def _page(pattern: URLPattern) -> URLPattern:
    view = OWN_VIEWS.get(pattern.name or "", pattern.callback)
    if pattern.name in LIMITED:
        view = _saying_how_long(view)
    if pattern.name == "account_change_password" or pattern.name in BY_MAIL:
        view = for_passwords(view)
    if pattern.name in LEADING_TO_PROVIDER:
        view = oidc.leads_to_provider(view)
    return URLPattern(pattern.pattern, view, pattern.default_args, pattern.name)


def pages(*, by_mail: bool) -> list[URLPattern]:
    """Return the account pages, with those that mail a link for a new password or without."""
    kept = KEPT | BY_MAIL if by_mail else KEPT
    return [_page(one) for one in urls.urlpatterns if one.name in kept]


# Those of OpenID Connect, and with what replaces the library's own.
PROVIDER: list[URLPattern | URLResolver] = [
    path("logout/", oidc.SignOutView.as_view(), name="account_logout"),
    path("oidc/", include(oidc)),
    path("invitation/<str:token>/", accept_invitation, name="invitation"),
    path("emergency/<str:token>/", emergency_sign_in, name="emergency_sign_in"),
]
OWN = [
    path("profile/", account.profile, name="account_profile"),
    path("sessions/", account.sessions, name="account_sessions"),
    path("sessions/<int:session_id>/end/", account.session_end, name="account_session_end"),
    path("sessions/end-others/", account.sessions_end_others, name="account_sessions_end_others"),
    path("sessions/end-all/", account.sessions_end_all, name="account_sessions_end_all"),
    path("preferences/", account.preferences, name="account_preferences"),
    path("theme/", account.choose_theme, name="account_theme"),
]
"""Those the sign-in library lacks."""

FACTORS = path("2fa/", include("portal.factors.pages"))

urlpatterns = [*PROVIDER, *OWN, *pages(by_mail=settings.SENDS_MAIL), FACTORS]
