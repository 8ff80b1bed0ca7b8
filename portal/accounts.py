"""How people sign in: what the sign-in library is told to do differently, each act with its event."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.auth_backends import AuthenticationBackend
from allauth.core import context
from django.conf import settings
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from keys_app.core.db import compare_and_swap
from keys_app.core.errors import HashingBusy
from keys_app.users import auth_events, limits, password_tries
from keys_app.views.http.actor import address_of
from keys_app.views.http.signed_in import as_path
from portal import known_browsers, password_hashers
from portal.oidc import records
from portal.proxies import client_address

LINKS = {"account_reset_password_from_key": auth_events.MAILED_LINK, "invitation": "an invitation"}
"""By the name of the page where a user sets a password without being signed in: with what."""


class PortalBackend(AuthenticationBackend):  # type: ignore[misc]  # a class without types
    """Loads the user of a session together with what is known of their sign-in: still one query a page.

    A password that does not fit takes as long whatever there is to compare it with, or nothing. Where passwords
    are off, none does.
    """

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> User | None:
        if not settings.LOCAL_SIGN_IN:
            return None
        self._compared_with = ""
        user: User | None = super().authenticate(request, **credentials)
        if user is None and credentials.get("password"):
            password_hashers.even_out(credentials["password"], self._compared_with)
        return user

    def _check_password(self, user: User | None, password: str) -> User | None:
        if user is None:
            return None
        self._did_check_password = True
        self._compared_with = user.password
        if not check_password(password, user.password, lambda typed: _hash_anew(user, typed)):
            return None
        if not self.user_can_authenticate(user):
            self._stash_user(user)
            return None
        return user

    def get_user(self, user_id: str | int) -> User | None:
        user = User.objects.select_related("sign_in", "identity", "preferences").filter(pk=user_id).first()
        return user if user and self.user_can_authenticate(user) else None


def _hash_anew(user: User, password: str) -> None:
    """Keep a hash of today's kind instead of an older one, unless the password was changed at this moment."""
    encoded = make_password(password)
    if compare_and_swap(user, Q(password=user.password), password=encoded):
        user.password = encoded


def refusal(request: HttpRequest, refused: limits.TooMany, name: str = "") -> ValidationError:
    """Note that a limit turns away who sent a form; return the error to raise in it. `account_urls` sets the status."""
    request.refused = refused  # type: ignore[attr-defined]
    auth_events.note_turned_away(refused=refused, name=name, address=address_of(request))
    return ValidationError(refused.message, code="too_many")


def _keep_session(request: HttpRequest, user: User) -> None:
    """Keep the session in which a password was given whose hash was made anew for it: sessions hang on the hash."""
    if request.user.is_authenticated and request.user.pk == user.pk and request.user.password != user.password:
        update_session_auth_hash(request, user)


class PortalAccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # a class without types
    """People are added by a portal admin; nobody signs up. Each sign-in, sign-out and new password is an event."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def is_safe_url(self, url: str) -> bool:
        """Return whether a page may lead there: only to a path of the portal, which can't be read as a view's name."""
        return bool(as_path(url))

    def get_login_stages(self) -> list[str]:
        """Return the steps after the password; that of the second factor is the portal's own."""
        own = {"allauth.mfa.stages.AuthenticateStage": "portal.factors.stages.AuthenticateStage"}
        return [own.get(stage, stage) for stage in super().get_login_stages()]

    def login(self, request: HttpRequest, user: User) -> None:
        with transaction.atomic():
            super().login(request, user)
            details = records.recorded(request, user)
            auth_events.record_sign_in(user=user, address=self._address(request), details=details)

    def logout(self, request: HttpRequest) -> None:
        if request.user.is_authenticated:
            auth_events.record_sign_out(user=request.user, address=self._address(request))
        super().logout(request)

    def post_login(self, request: HttpRequest, user: User, **options: Any) -> HttpResponse:
        response: HttpResponse = super().post_login(request, user, **options)
        known_browsers.remember(request, response, user)
        return response

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        """Return whose password it is, after counting the try; a right one doesn't count. Every page asks here."""
        name = str(credentials.get("username", ""))[:150]
        browser = known_browsers.id_for(request, name)
        try:
            uses = password_tries.begin(name=name, address=self._address(request), browser=browser)
        except limits.TooMany as refused:
            raise refusal(request, refused, name) from None
        try:
            user: User | None = super().authenticate(request, **credentials)
        except HashingBusy:
            limits.give_back(uses)  # nothing was tried
            raise
        if user:
            limits.give_back(uses)
            _keep_session(request, user)
        return user

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        name = str(credentials.get("username", ""))[:150]
        auth_events.note_failed_sign_in(name=name, address=self._address(request))

    def set_password(self, user: User, password: str) -> None:
        match = context.request.resolver_match
        link = LINKS.get(match.url_name or "", "") if match else ""
        with transaction.atomic():
            user.set_password(password)
            user.save(update_fields=["password"])  # what else is stored may have changed since this request began
            auth_events.record_password_change(user=user, address=self._address(context.request), link=link)

    def get_reauthentication_methods(self, user: User) -> list[dict[str, Any]]:
        """Return the ways for a user to sign in again: with the provider first, with a password if those are on."""
        ways: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        if not settings.LOCAL_SIGN_IN:
            ways = [way for way in ways if way["id"] != "reauthenticate"]
        if settings.OIDC.issuer and hasattr(user, "identity"):
            words = f"Sign in again with {settings.OIDC.name}"
            ways.insert(0, {"id": "oidc", "description": words, "url": reverse("oidc_again")})
        return ways

    def is_reauthentication_required(self, *, app: str, **options: Any) -> bool:
        """Leave it to `keys_app.views.http.fresh`: the library would keep what was posted, and send it again."""
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        """Return the address a request came from, for the library too; empty if it is unknown."""
        return client_address(request)

    def _address(self, request: HttpRequest) -> str:
        return self.get_client_ip(request)
