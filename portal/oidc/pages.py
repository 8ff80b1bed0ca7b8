"""The addresses of sign-in with OpenID Connect. Without an issuer there are none."""

from collections.abc import Callable
from functools import wraps
from typing import Any, cast
from urllib.parse import urlencode

from allauth.account.utils import get_next_redirect_url
from allauth.account.views import LogoutView
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect, render
from django.urls import path, reverse

from keys_app.core.errors import PortalError, SignInUnavailable
from keys_app.users import auth_events, identities
from keys_app.users.limits import TooMany
from keys_app.views.http.actor import address_of
from keys_app.views.http.fresh import require_fresh
from keys_app.views.http.problem import problem
from keys_app.views.http.signed_in import PortalRequest, signed_in

from . import arrival, discovery, records
from .provider import PROVIDER_ID, CompanyOAuth2Adapter

View = Callable[..., HttpResponse]


def _page(view: View) -> View:
    """Let there be no such page without an issuer, and say what went wrong on one that can be left."""

    @wraps(view)
    def wrapped(request: PortalRequest) -> HttpResponse:
        if not settings.OIDC.issuer:
            raise Http404
        try:
            return view(request)
        except PortalError as error:
            _note(request, error)
            where = {"back_url": reverse("account_login"), "back_label": "Sign in"}
            if request.user.is_authenticated:
                where = {"back_url": reverse("portal:home"), "back_label": "Home"}
            return problem(request, error, **where)

    return login_not_required(wrapped)


def _note(request: HttpRequest, error: PortalError) -> None:
    if isinstance(error, TooMany):
        auth_events.note_turned_away(refused=error, name="", address=address_of(request))
    elif not isinstance(error, SignInUnavailable):
        user = signed_in(request) if request.user.is_authenticated else getattr(error, "user", None)
        identities.note_refused(why=error.message, address=address_of(request), user=user)


def begin(request: HttpRequest, process: str, next_url: str | None, **asked: str) -> HttpResponse:
    """Lead the browser to the provider, for one of the purposes of `arrival`; `asked` are parameters of the request.

    Raises `TooMany`, and `SignInUnavailable`.
    """
    uses = identities.count_start(address=address_of(request))
    kept = {"uses": uses, "user": request.user.pk}
    provider = get_adapter(request).get_provider(request, PROVIDER_ID)
    answer: HttpResponse = provider.redirect(request, process, next_url, kept, auth_params=asked)
    return answer


@_page
def start(request: HttpRequest) -> HttpResponse:
    """Begin a sign-in: a POST from the portal's own page, so that no other site can."""
    if request.method == "POST":
        return begin(request, arrival.SIGN_IN, get_next_redirect_url(request))
    if request.method not in ("GET", "HEAD"):
        return HttpResponseNotAllowed(["POST"])
    return redirect("account_login")


@_page
def callback(request: HttpRequest) -> HttpResponse:
    """Take what the provider sends the browser back with."""
    if request.method not in ("GET", "HEAD"):
        return HttpResponseNotAllowed(["GET"])
    adapter = CompanyOAuth2Adapter(request, PROVIDER_ID)
    return cast(HttpResponse, OAuth2CallbackView.adapter_view(adapter)(request))


@_page
def again(request: HttpRequest) -> HttpResponse:
    """Ask who signed in with the provider to do so anew: what matters needs that."""
    if not hasattr(request.user, "identity"):
        raise Http404
    if request.method == "POST":
        return begin(request, arrival.AGAIN, get_next_redirect_url(request), prompt="login", max_age="0")
    page = {"redirect_field_value": get_next_redirect_url(request) or "", "address": reverse("oidc_again")}
    return render(request, "account/reauthenticate_there.html", page)


@_page
def join(request: HttpRequest) -> HttpResponse:
    """Let a user who has a password here sign in with the provider as well: with a fresh sign-in, on their own page."""
    if not request.user.is_authenticated:
        return redirect_to_login(reverse("oidc_join"))
    require_fresh(request)
    if request.method == "POST":
        return begin(request, arrival.JOIN, reverse("oidc_join"))
    joined = getattr(request.user, "identity", None)
    return render(request, "account/join.html", {"joined": joined})


def leads_to_provider(view: View) -> View:
    """Let the forms of a page lead to the provider: Chromium holds `form-action` against redirects too."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        answer = view(request, *args, **options)
        if settings.OIDC.issuer and answer.status_code != 302:
            answer._csp_update = {"form-action": [discovery.authorization_origin()]}  # type: ignore[attr-defined]
        return answer

    return wrapped


class SignOutView(LogoutView):  # type: ignore[misc]  # a class without types
    """Ends the session at the provider too, where it offers that, for those who signed in with it."""

    def post(self, *args: Any, **options: Any) -> HttpResponse:
        at_provider = self.request.user.is_authenticated and records.by_provider(self.request, self.request.user)
        answer: HttpResponse = super().post(*args, **options)
        address = end_session_address() if at_provider else ""
        return render(self.request, "account/signed_out.html", {"address": address}) if address else answer


def end_session_address() -> str:
    """Return where the provider ends its session; empty where it doesn't offer that, or doesn't answer.

    It gets the client's name instead of an ID token, so that none is kept for it.
    """
    if not settings.OIDC.issuer:
        return ""
    try:
        address = str(discovery.metadata(within=discovery.QUICKLY).get("end_session_endpoint", ""))
    except SignInUnavailable:
        return ""
    back = settings.BASE_URL.geturl() + reverse("account_login")
    query = urlencode({"client_id": settings.OIDC.client_id, "post_logout_redirect_uri": back})
    return address and f"{address}{'&' if '?' in address else '?'}{query}"


urlpatterns = [
    path("company/login/", start, name="oidc_login"),
    path("company/login/callback/", callback, name="oidc_callback"),
    path("company/again/", leads_to_provider(again), name="oidc_again"),
    path("company/join/", leads_to_provider(join), name="oidc_join"),
]
