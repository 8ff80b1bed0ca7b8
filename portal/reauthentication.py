"""The page on which a user who is signed in signs in again, and what every way to do so ends with."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.signals import authentication_step_completed
from allauth.account.views import ReauthenticateView as LibraryReauthenticateView
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode

from keys_app.users.auth_events import record_reauthentication
from keys_app.users.fresh import is_fresh
from keys_app.views.http.actor import address_of
from keys_app.views.http.fresh import welcome_back


class ReauthenticateView(LibraryReauthenticateView):  # type: ignore[misc]  # a class without types
    """Asks for the password, or leads to another of the user's ways; who has none signs out and in."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        page = self.get_success_url()
        if request.method == "GET" and request.user.is_authenticated and is_fresh(request.session):
            return redirect(page)
        if request.user.is_authenticated and not get_adapter().get_reauthentication_methods(request.user):
            sign_in = f"{reverse('account_login')}?{urlencode({'next': page})}"
            return render(request, "account/reauthenticate_anew.html", {"sign_in": sign_in, "page": page})
        answer: HttpResponse = super().dispatch(request, *args, **kwargs)
        return answer


def _signed_in_again(*, request: HttpRequest, user: User, method: str, **signal: Any) -> None:
    """Note it, whichever way it was done. Called by the library's signal, which tells of first sign-ins as well."""
    if signal.get("reauthenticated"):
        record_reauthentication(session=request.session, user=user, address=address_of(request), way=method)
        welcome_back(request)


def watch() -> None:
    """Hear of everyone who signs in again."""
    authentication_step_completed.connect(_signed_in_again, dispatch_uid=__name__)
