"""The forms that take a code or a passkey: the library's, with the portal's limits and without its cache."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from allauth.core import context
from allauth.mfa.base.forms import AuthenticateForm as LibraryAuthenticateForm
from allauth.mfa.base.forms import ReauthenticateForm as LibraryReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.forms import ActivateTOTPForm as LibraryActivateTotpForm
from allauth.mfa.totp.internal.auth import generate_totp_secret
from allauth.mfa.webauthn import forms as library
from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import DatabaseError
from fido2.utils import websafe_decode
from fido2.webauthn import CollectedClientData

from keys_app.audit.throttle import note
from keys_app.core.actor import Actor
from keys_app.core.secret import Secret
from keys_app.core.typed import line_problem
from keys_app.organisation.credentials import decrypt, encrypt
from keys_app.users import factors
from keys_app.users.limits import TooMany
from keys_app.views.http.actor import address_of
from portal.accounts import refusal

from .adapter import PortalMFAAdapter

PENDING = "portal.totp"
"""Where a session keeps the secret of an app that is being set up, encrypted."""
MOST_PASSKEYS = 10
_CODE = {"autocomplete": "one-time-code", "autocapitalize": "none", "spellcheck": "false", "autofocus": True}
_NOT_ACCEPTED = "This passkey was not accepted. Try again, or use another way."


class _CodeOnce:
    """Takes a code once, of the app or a recovery code, and counts the tries."""

    fields: dict[str, forms.Field]
    cleaned_data: dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"] = forms.CharField(max_length=40, widget=forms.TextInput(attrs=_CODE))

    def clean_code(self) -> str:
        user, code = self.user, str(self.cleaned_data["code"])  # type: ignore[attr-defined]  # the library's form has it
        try:
            found = factors.use_code(user=user, code=code, address=address_of(context.request))
        except TooMany as refused:
            raise refusal(context.request, refused, user.get_username()) from None
        if not found:
            raise PortalMFAAdapter().validation_error("incorrect_code")
        found.user = user
        self.authenticator = found
        return code


class AuthenticateForm(_CodeOnce, LibraryAuthenticateForm):  # type: ignore[misc]  # a class without types
    """The second step of signing in."""


class ReauthenticateForm(_CodeOnce, LibraryReauthenticateForm):  # type: ignore[misc]  # a class without types
    """Signing in again with a code."""


class ActivateTotpForm(LibraryActivateTotpForm):  # type: ignore[misc]  # a class without types
    """Keeps the secret that is shown encrypted in the session: the library has it there as it is."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.user = kwargs.pop("user")
        forms.Form.__init__(self, *args, **kwargs)
        self.fields["code"] = forms.CharField(label="Code", max_length=40, widget=forms.TextInput(attrs=_CODE))
        self.secret = self._secret()

    def _secret(self) -> str:
        session = context.request.session
        kept = decrypt(session.get(PENDING, "")) if self.is_bound else None
        if kept is None:
            kept = Secret(generate_totp_secret())
            session[PENDING] = encrypt(kept)
        return kept.reveal()

    def clean_code(self) -> str:
        code = str(self.cleaned_data["code"])
        if factors.counter_of(Secret(self.secret), code) is None:
            raise ValidationError("This code isn’t right. Type the one the app shows now; its clock must be right.")
        return code


@contextmanager
def _credential(sent: Any) -> Iterator[None]:
    """Look at what a browser sent of a passkey. Whatever is wrong with it, which anyone can choose, is one error."""
    try:
        client = CollectedClientData(websafe_decode(sent["response"]["clientDataJSON"]))
        if client.origin != settings.BASE_URL.geturl() or client.cross_origin:
            raise ValidationError(_NOT_ACCEPTED)
        yield
    except DatabaseError:
        raise
    except Exception as error:
        raise ValidationError(_NOT_ACCEPTED) from error


class _OwnCredential:
    """Takes a passkey's answer to a challenge of this session, from the portal's own address alone."""

    cleaned_data: dict[str, Any]

    def clean_credential(self) -> Authenticator:
        try:
            with _credential(self.cleaned_data["credential"]):
                return super().clean_credential()  # type: ignore[misc]  # the library's form has it
        except ValidationError:
            note("factor.failed", Actor.of(self.user, address_of(context.request)))  # type: ignore[attr-defined]  # as above
            raise


class AuthenticateWebAuthnForm(_OwnCredential, library.AuthenticateWebAuthnForm):  # type: ignore[misc]  # without types
    """The second step of signing in, with a passkey."""


class ReauthenticateWebAuthnForm(_OwnCredential, library.ReauthenticateWebAuthnForm):  # type: ignore[misc]  # without types
    """Signing in again with a passkey."""


def _name(text: str) -> str:
    if problem := line_problem(text, "name"):
        raise ValidationError(problem)
    return text


def _name_field(*, required: bool) -> forms.CharField:
    hint = "To tell it from others: “laptop”, “key on my ring”."
    return forms.CharField(max_length=60, required=required, help_text=hint)


class AddWebAuthnForm(library.AddWebAuthnForm):  # type: ignore[misc]  # a class without types
    """Takes a new passkey and its name."""

    name = _name_field(required=False)

    def clean_name(self) -> str:
        return _name(str(super().clean_name()))

    def clean(self) -> dict[str, Any]:
        there = Authenticator.objects.filter(user_id=self.user.pk, type=Authenticator.Type.WEBAUTHN).count()
        if there >= MOST_PASSKEYS:
            raise ValidationError(f"You have {there} passkeys. Remove one first.")
        if "credential" not in self.cleaned_data:
            return dict(self.cleaned_data)
        with _credential(self.cleaned_data["credential"]):
            return dict(super().clean())


class EditWebAuthnForm(library.EditWebAuthnForm):  # type: ignore[misc]  # a class without types
    """Renames a passkey."""

    name = _name_field(required=True)

    def clean_name(self) -> str:
        return _name(str(self.cleaned_data["name"]))
