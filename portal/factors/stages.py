"""The step of a sign-in between the password and the second factor."""

from typing import Any

from allauth.mfa.stages import AuthenticateStage as LibraryAuthenticateStage
from django.contrib.auth.models import User

from keys_app.users.account_changes import known_of


class AuthenticateStage(LibraryAuthenticateStage):  # type: ignore[misc]  # a class without types
    """Ends with what ends a session: a password that was changed meanwhile, a user who was switched off."""

    def handle(self) -> tuple[Any, bool]:
        response, goes_on = super().handle()
        if response:
            self.state["account"] = _as_it_is(self.login.user)
        return response, goes_on

    def is_over(self) -> bool:
        """Tell whether the password that was given no longer counts."""
        user = User.objects.filter(pk=self.login.user.pk, is_active=True).first()
        return user is None or self.state.get("account") != _as_it_is(user)


def _as_it_is(user: User) -> str:
    return f"{user.get_session_auth_hash()}:{known_of(user).sessions_ended}"
