"""How people sign in: what the sign-in library is told to do differently, each act with its event."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.auth_backends import AuthenticationBackend
from allauth.core import context
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from keys_app.users import auth_events, limits, password_tries
from keys_app.views.http.actor import address_of
from portal import known_browsers
from portal.proxies import client_address


class PortalBackend(AuthenticationBackend):  # type: ignore[misc]  # a class without types
    """Loads the user of a session together with what is known of their sign-in: still one query a page."""

    def get_user(self, user_id: str | int) -> User | None:
        user = User.objects.select_related("sign_in").filter(pk=user_id).first()
        return user if user and self.user_can_authenticate(user) else None


def refusal(request: HttpRequest, refused: limits.TooMany, name: str = "") -> ValidationError:
    """Note that a limit turns away who sent a form; return the error to raise in it. `account_urls` sets the status."""
    request.refused = refused  # type: ignore[attr-defined]
    auth_events.note_turned_away(refused=refused, name=name, address=address_of(request))
    return ValidationError(refused.message, code="too_many")


class PortalAccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # a class without types
    """People are added by a portal admin; nobody signs up. Each sign-in, sign-out and new password is an event."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def login(self, request: HttpRequest, user: User) -> None:
        with transaction.atomic():
            super().login(request, user)
            auth_events.record_sign_in(user=user, address=self._address(request))

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
        user: User | None = super().authenticate(request, **credentials)
        if user:
            limits.give_back(uses)
        return user

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        name = str(credentials.get("username", ""))[:150]
        auth_events.note_failed_sign_in(name=name, address=self._address(request))

    def set_password(self, user: User, password: str) -> None:
        match = context.request.resolver_match
        by_mail = match is not None and match.url_name == "account_reset_password_from_key"
        with transaction.atomic():
            user.set_password(password)
            user.save(update_fields=["password"])  # what else is stored may have changed since this request began
            auth_events.record_password_change(user=user, address=self._address(context.request), by_mail=by_mail)

    def get_client_ip(self, request: HttpRequest) -> str:
        """Return the address a request came from, for the library too; empty if it is unknown."""
        return client_address(request)

    def _address(self, request: HttpRequest) -> str:
        return self.get_client_ip(request)
