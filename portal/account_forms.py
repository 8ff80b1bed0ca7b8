"""The forms of the sign-in library that take a password or an address past its limits, made to count them."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.forms import ChangePasswordForm as LibraryChangePasswordForm
from allauth.account.forms import ResetPasswordForm as LibraryResetPasswordForm
from allauth.account.forms import ResetPasswordKeyForm as LibraryResetPasswordKeyForm
from allauth.core import context
from django import forms
from django.http import HttpRequest

from keys_app.users import password_resets, password_tries
from keys_app.users.limits import TooMany
from keys_app.views.http.actor import address_of

from .accounts import refusal

_WORDS = {
    "oldpassword": "Current password",
    "password1": "New password",
    "password2": "New password, again",
    "email": "Mail address",
}


def _in_words(form: forms.Form) -> None:
    """Label the fields as the portal does; the library writes each label into the box as well, in title case."""
    for name, field in form.fields.items():
        field.label = _WORDS.get(name, field.label)
        field.widget.attrs.pop("placeholder", None)


class ChangePasswordForm(LibraryChangePasswordForm):  # type: ignore[misc]  # a class without types
    """Looks at the present password as signing in does, so that it can't be guessed here either."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _in_words(self)

    def clean_oldpassword(self) -> str:
        password = str(self.cleaned_data["oldpassword"])
        if not get_adapter().reauthenticate(self.user, password):
            raise get_adapter().validation_error("enter_current_password")
        return password


class ResetPasswordForm(LibraryResetPasswordForm):  # type: ignore[misc]  # a class without types
    """Queues a link without looking whose the address is: the same work and answer for each."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _in_words(self)

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


class ResetPasswordKeyForm(LibraryResetPasswordKeyForm):  # type: ignore[misc]  # a class without types
    """The library's, in the portal's words."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _in_words(self)
