"""The forms of the sign-in library that take a password or an address past its limits, made to count them."""

from allauth.account.adapter import get_adapter
from allauth.account.forms import ChangePasswordForm as LibraryChangePasswordForm
from allauth.account.forms import ResetPasswordForm as LibraryResetPasswordForm
from allauth.core import context
from django.http import HttpRequest

from keys_app.users import password_resets, password_tries
from keys_app.users.limits import TooMany
from keys_app.views.http.actor import address_of

from .accounts import refusal


class ChangePasswordForm(LibraryChangePasswordForm):  # type: ignore[misc]  # a class without types
    """Looks at the present password as signing in does, so that it can't be guessed here either."""

    def clean_oldpassword(self) -> str:
        password = str(self.cleaned_data["oldpassword"])
        if not get_adapter().reauthenticate(self.user, password):
            raise get_adapter().validation_error("enter_current_password")
        return password


class ResetPasswordForm(LibraryResetPasswordForm):  # type: ignore[misc]  # a class without types
    """Queues a link without looking whose the address is: the same work and answer for each."""

    def clean_email(self) -> str:
        mail = str(self.cleaned_data["email"])
        try:
            password_tries.count_reset(mail=mail, address=address_of(context.request))
        except TooMany as refused:
            raise refusal(context.request, refused) from None
        return mail

    def save(self, request: HttpRequest, **_: object) -> str:
        address = str(self.cleaned_data["email"])
        password_resets.ask(address=address)
        return address
