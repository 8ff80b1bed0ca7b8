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
from django.contrib import messages
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.crypto import constant_time_compare

from keys_app.core.actor import Actor
from keys_app.core.errors import SignInRefused, SignInUnavailable
from keys_app.organisation.provider_groups import Rights
from keys_app.users import auth_events, fresh, identities, limits, provider_rights
from keys_app.users.identities import Claims
from keys_app.views.http.actor import address_of
from keys_app.views.http.fresh import welcome_back
from portal.factors.required import FACTOR

from . import discovery, records
from .tokens import SKEW, BadToken

log = logging.getLogger(__name__)

State = dict[str, Any]

SIGN_IN, AGAIN, JOIN = "login", "again", "join"


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
    _note_factor(request, claims)
    response: HttpResponse = perform_login(request, user, redirect_url=state.get("next"))
    if request.user.is_authenticated:
        fresh.note_authenticated(request.session, at=claims.signed_in_at or 0)
    return response


def _sign_in_again(request: HttpRequest, claims: Claims, state: State) -> HttpResponse:
    user = identities.find(claims)
    if user is None or user.pk != _same_user(request, state).pk:
        raise SignInRefused(f"You signed in with {settings.OIDC.name} as another user than here. Nothing was changed.")
    if claims.signed_in_at is None or claims.signed_in_at < state["data"]["began"] - SKEW:
        raise SignInRefused(
            f"{settings.OIDC.name} did not say that you signed in just now. Sign out here and there, and in again."
        )
    rights = _rights(claims)
    with transaction.atomic(durable=True):
        provider_rights.apply(user=user, rights=rights, actor=_provider(request))
    way = "provider"
    auth_events.record_reauthentication(session=request.session, user=user, address=address_of(request), way=way)
    fresh.note_authenticated(request.session, at=claims.signed_in_at)
    _note_factor(request, claims)
    welcome_back(request)
    return redirect(state.get("next") or "portal:home")


def _note_factor(request: HttpRequest, claims: Claims) -> None:
    """Note in the session whether the provider says that the user showed it a second factor."""
    request.session[FACTOR] = not {claims.acr, *claims.amr}.isdisjoint(settings.OIDC_MFA)


def _join(request: HttpRequest, claims: Claims, state: State) -> HttpResponse:
    user = _same_user(request, state)
    if not fresh.is_fresh(request.session):
        raise SignInRefused("Your sign-in is not fresh any more. Sign in again, and join then.")
    identities.join(user=user, claims=claims, actor=Actor.of(user, address_of(request)))
    messages.success(request, f"You can sign in with {settings.OIDC.name} from now on.")
    return redirect(state.get("next") or "portal:home")


def _same_user(request: HttpRequest, state: State) -> User:
    """Return the user who began this, signed in still. Raises `SignInRefused`."""
    if not request.user.is_authenticated or request.user.pk != state["data"]["user"]:
        raise SignInRefused("You were signed out meanwhile, or signed in as another user. Begin again.")
    return request.user


def _user_of(request: HttpRequest, claims: Claims) -> User:
    """Return the user whom the provider names, created when they come first, with the rights their groups give now."""
    user, actor = identities.find(claims), _provider(request)
    if user and not user.is_active:
        raise SignInRefused("Your account in the portal is not active. Ask a portal admin.")
    rights = _rights(claims)
    try:
        with transaction.atomic(durable=True):
            user = user or identities.create_user(claims=claims, actor=actor)
            provider_rights.apply(user=user, rights=rights, actor=actor)
            return user
    except IntegrityError:
        raise SignInRefused("You signed in twice at the same moment. Try again.") from None


def _rights(claims: Claims) -> Rights:
    return provider_rights.of_claims(claims.every, claim=settings.OIDC.groups_claim, file=settings.OIDC.groups_file)


def _provider(request: HttpRequest) -> Actor:
    return Actor(None, "the sign-in provider", address_of(request))


_PURPOSES: dict[str, Callable[[HttpRequest, Claims, State], HttpResponse]] = {
    SIGN_IN: _sign_in,
    AGAIN: _sign_in_again,
    JOIN: _join,
}
