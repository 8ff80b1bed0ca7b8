"""Leads who needs a second factor and has none to the page that sets one up, before anything else."""

from collections.abc import Callable
from typing import Any, cast

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect

from keys_app.users import factors
from keys_app.views.http.signed_in import PortalRequest, signed_in

FACTOR = "portal.factor"
"""True in a session whose user showed a second factor to the company's provider.

The sign-in with OpenID Connect sets it, where the provider's `acr` or a value of `amr` is in `settings.OIDC_MFA`, each
time a user signs in there or does so again; anything else deletes it. Nothing but `has_factor` reads it.
"""
OPEN = {
    "mfa_index",
    "mfa_activate_totp",
    "mfa_add_webauthn",
    "mfa_view_recovery_codes",
    "mfa_reauthenticate",
    "mfa_reauthenticate_webauthn",
    "account_reauthenticate",
    "account_logout",
    "admin:logout",
}
"""What they can do meanwhile, besides what needs no sign-in."""


def has_factor(request: HttpRequest) -> bool:
    """Tell whether the user has a second factor here, or showed one to the provider they signed in with."""
    return request.session.get(FACTOR) is True or bool(factors.factors_of(signed_in(request)))


def lacks_factor(request: HttpRequest) -> bool:
    """Tell whether the user of a request needs a second factor by `PORTAL_REQUIRE_MFA` and has none."""
    wanted = settings.REQUIRE_MFA
    return bool(wanted) and factors.is_required_of(signed_in(request), wanted) and not has_factor(request)


class RequireFactorMiddleware:
    """Lets no one by who lacks one. What was sent is not kept: nothing can have been typed before."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Callable[..., Any], *_: Any) -> HttpResponse | None:
        if not settings.REQUIRE_MFA or not request.user.is_authenticated or not getattr(view, "login_required", True):
            return None
        match = request.resolver_match
        if (match and match.view_name in OPEN) or not lacks_factor(request):
            return None
        address = reverse("mfa_index")
        if cast(PortalRequest, request).htmx:
            return HttpResponseClientRedirect(address)
        if request.method in ("GET", "HEAD"):
            return redirect(address)
        raise PermissionDenied(f"Your account needs a second factor first. Nothing was done. Set one up at {address}")
