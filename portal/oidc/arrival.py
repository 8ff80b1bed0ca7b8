"""What follows when the browser comes back from the provider."""

import logging
from collections.abc import Callable
from typing import Any

import requests
from allauth.account.adapter import get_adapter as get_account_adapter
from allauth.account.utils import perform_login
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.models import SocialLogin
from allauth.socialaccount.providers.base import AuthError
from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare

from keys_app.core.actor import Actor
from keys_app.core.errors import SignInRefused, SignInUnavailable
from keys_app.users import fresh, identities, limits
from keys_app.users.identities import Claims
from keys_app.views.http.actor import address_of

from . import discovery, records
from .tokens import BadToken

log = logging.getLogger(__name__)

State = dict[str, Any]

SIGN_IN = "login"


def answer(request: HttpRequest, login: SocialLogin) -> None:
    """Do what the user left for the provider to do. Raises the answer, or a `PortalError` that says why not."""
    state, said = login.state, login.account.extra_data
    if not constant_time_compare(str(said.get("nonce", "")), state["data"]["nonce"]):
        raise SignInRefused(_doubtful("its ID token is not the answer to this sign-in"))
    purpose = _PURPOSES.get(state["process"])
    if purpose is None:
        raise SignInRefused(_doubtful("nothing was asked of it"))
    response = purpose(request, Claims.read(said), state)
    limits.give_back(state["data"]["uses"])
    raise ImmediateHttpResponse(response)


def failed(error: str | None, exception: Exception | None, context: dict[str, Any]) -> None:
    """Raise what to say of a return that could not be read, or that says that no one signed in."""
    if error == AuthError.CANCELLED:
        raise SignInRefused(f"You did not sign in with {settings.OIDC.name}.")
    if "state_id" in context:
        raise SignInRefused("This sign-in began too long ago, or in another browser. Begin again.")
    if isinstance(exception, requests.RequestException):
        log.warning("the sign-in provider did not answer: %s", type(exception).__name__)
        raise SignInUnavailable(discovery.unavailable()) from None
    why = str(exception) if isinstance(exception, BadToken) else "it did not say that you signed in"
    raise SignInRefused(_doubtful(why)) from None


def _doubtful(why: str) -> str:
    return f"The answer of the sign-in provider was refused: {why}. Try again, or tell a portal admin."


def _sign_in(request: HttpRequest, claims: Claims, state: State) -> HttpResponse:
    user = _user_of(request, claims)
    if request.user.is_authenticated:
        get_account_adapter(request).logout(request)
    records.note(request, user, claims)
    response: HttpResponse = perform_login(request, user, redirect_url=state.get("next"))
    if request.user.is_authenticated:
        fresh.note_authenticated(request.session, at=claims.signed_in_at or 0)
    return response


def _user_of(request: HttpRequest, claims: Claims) -> User:
    """Return the user whom the provider names, who is created when they come first."""
    user = identities.find(claims)
    if user and not user.is_active:
        raise SignInRefused("Your account in the portal is not active. Ask a portal admin.")
    try:
        with transaction.atomic(durable=True):
            return user or identities.create_user(claims=claims, actor=_provider(request))
    except IntegrityError:
        raise SignInRefused("You signed in twice at the same moment. Try again.") from None


def _provider(request: HttpRequest) -> Actor:
    return Actor(None, "the sign-in provider", address_of(request))


_PURPOSES: dict[str, Callable[[HttpRequest, Claims, State], HttpResponse]] = {SIGN_IN: _sign_in}
