"""The pages under `/accounts/2fa/`: the library's, each act with its event in one transaction.

A passkey is a second factor and no way in by itself: the library would take the user from what the browser sends, past
the limits that stand before a password.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.mfa.base import views as base
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes import views as codes
from allauth.mfa.totp import views as totp
from allauth.mfa.webauthn import views as webauthn
from django.contrib import messages
from django.contrib.auth.models import User
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse_lazy

from keys_app.core.db import lock_row
from keys_app.users import factors
from keys_app.views.http.actor import actor_of
from keys_app.views.http.fresh import needs_fresh
from keys_app.views.http.problem import with_wait

from .adapter import passkeys_work
from .forms import PENDING
from .required import lacks_factor

INDEX = reverse_lazy("mfa_index")


class IndexView(base.IndexView):  # type: ignore[misc]  # a class without types
    """What the user has, and how to set up more."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        user = self.request.user
        has = factors.factors_of(user)
        recovery = Authenticator.objects.filter(user_id=user.pk, type=Authenticator.Type.RECOVERY_CODES).first()
        return {
            "apps": [one for one in has if one.type == Authenticator.Type.TOTP],
            "passkeys": [one for one in has if one.type == Authenticator.Type.WEBAUTHN],
            "passkeys_work": passkeys_work(),
            "codes_left": factors.codes_left(recovery) if recovery else None,
            "lacks_factor": lacks_factor(self.request),
        }


class AuthenticateView(base.AuthenticateView):  # type: ignore[misc]  # a class without types
    """The second step of signing in. It is over once what the first was about has changed."""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        answer: HttpResponse = self.stage.abort() if self.stage.is_over() else super().get(request, *args, **kwargs)
        return answer

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        answer: HttpResponse = self.stage.abort() if self.stage.is_over() else super().post(request, *args, **kwargs)
        return answer

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        has = {one.type for one in factors.factors_of(self.stage.login.user)}
        passkeys = Authenticator.Type.WEBAUTHN in has and passkeys_work()
        return {
            **super().get_context_data(**kwargs),
            "offers_passkey": passkeys,
            "only_passkeys": Authenticator.Type.TOTP not in has,
        }


class ActivateTotpView(totp.ActivateTOTPView):  # type: ignore[misc]  # a class without types
    """Sets up an authenticator app. Its first code is used by that."""

    @transaction.atomic
    def form_valid(self, form: Any) -> HttpResponse:
        lock_row(User, self.request.user.pk)
        mine = Authenticator.objects.filter(user_id=self.request.user.pk, type=Authenticator.Type.TOTP)
        if mine.exists():  # in another tab
            return redirect(INDEX)
        answer: HttpResponse = super().form_valid(form)
        self.request.session.pop(PENDING, None)
        actor = actor_of(self.request)
        factors.added(factor=mine.get(), actor=actor, code=form.cleaned_data["code"])
        if self.did_generate_recovery_codes:
            factors.codes_made(actor=actor)
        return answer


class DeactivateTotpView(totp.DeactivateTOTPView):  # type: ignore[misc]  # a class without types
    """Removes the authenticator app."""

    @transaction.atomic
    def form_valid(self, form: Any) -> HttpResponse:
        answer: HttpResponse = super().form_valid(form)
        factors.removed(factor=self.authenticator, actor=actor_of(self.request))
        return answer


class AddPasskeyView(webauthn.AddWebAuthnView):  # type: ignore[misc]  # a class without types
    """Adds a passkey, where a browser takes one for the portal's address."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not passkeys_work():
            raise Http404
        answer: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        return answer

    @transaction.atomic
    def form_valid(self, form: Any) -> HttpResponse:
        lock_row(User, self.request.user.pk)
        answer: HttpResponse = super().form_valid(form)
        mine = Authenticator.objects.filter(user_id=self.request.user.pk, type=Authenticator.Type.WEBAUTHN)
        actor = actor_of(self.request)
        factors.added(factor=mine.latest("pk"), actor=actor)
        if self.did_generate_recovery_codes:
            factors.codes_made(actor=actor)
        return answer


class RemovePasskeyView(webauthn.RemoveWebAuthnView):  # type: ignore[misc]  # a class without types
    """Removes a passkey."""

    success_url = INDEX

    @transaction.atomic
    def form_valid(self, form: Any) -> HttpResponse:
        factor = self.object
        answer: HttpResponse = super().form_valid(form)
        factors.removed(factor=factor, actor=actor_of(self.request))
        return answer


class RenamePasskeyView(webauthn.EditWebAuthnView):  # type: ignore[misc]  # a class without types
    """Renames a passkey."""

    success_url = INDEX

    @transaction.atomic
    def form_valid(self, form: Any) -> HttpResponse:
        before = str(form.instance.data["name"])
        answer: HttpResponse = super().form_valid(form)
        factors.renamed(factor=form.instance, before=before, actor=actor_of(self.request))
        return answer


class CodesView(codes.ViewRecoveryCodesView):  # type: ignore[misc]  # a class without types
    """Shows the recovery codes, the first time it is opened after they were made."""

    @transaction.atomic
    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        lock_row(User, request.user.pk)  # so that they are shown once, and no use is forgotten
        answer = super().get(request, *args, **kwargs)
        return answer.render()  # type: ignore[no-any-return]  # while the transaction holds


class MakeCodesView(codes.GenerateRecoveryCodesView):  # type: ignore[misc]  # a class without types
    """Makes new recovery codes."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        kept = super(codes.GenerateRecoveryCodesView, self).get_context_data(**kwargs)  # which needs no secret
        return dict(kept)

    @transaction.atomic
    def form_valid(self, form: Any) -> HttpResponse:
        answer: HttpResponse = super().form_valid(form)
        factors.codes_made(actor=actor_of(self.request))
        return answer


class PasskeyAgainView(webauthn.ReauthenticateWebAuthnView):  # type: ignore[misc]  # a class without types
    """Signing in again with a passkey."""

    def form_invalid(self, form: Any) -> HttpResponse:
        for error in form.errors.get("credential", ["The passkey is missing. Press the button again."]):
            messages.error(self.request, error)
        return redirect(self.request.get_full_path())


def _limited(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Let a form that a limit refused be answered with 429 and the wait."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        return with_wait(view(request, *args, **options), getattr(request, "refused", None))

    return wrapped


urlpatterns: list[URLPattern] = [
    path("", IndexView.as_view(), name="mfa_index"),
    path("authenticate/", _limited(AuthenticateView.as_view()), name="mfa_authenticate"),
    path("reauthenticate/", _limited(base.ReauthenticateView.as_view()), name="mfa_reauthenticate"),
    path("totp/activate/", needs_fresh(ActivateTotpView.as_view()), name="mfa_activate_totp"),
    path("totp/deactivate/", needs_fresh(DeactivateTotpView.as_view()), name="mfa_deactivate_totp"),
    path("recovery-codes/", needs_fresh(CodesView.as_view()), name="mfa_view_recovery_codes"),
    path("recovery-codes/generate/", needs_fresh(MakeCodesView.as_view()), name="mfa_generate_recovery_codes"),
    path("webauthn/add/", needs_fresh(AddPasskeyView.as_view()), name="mfa_add_webauthn"),
    path("webauthn/reauthenticate/", PasskeyAgainView.as_view(), name="mfa_reauthenticate_webauthn"),
    path("webauthn/keys/<int:pk>/remove/", needs_fresh(RemovePasskeyView.as_view()), name="mfa_remove_webauthn"),
    path("webauthn/keys/<int:pk>/edit/", needs_fresh(RenamePasskeyView.as_view()), name="mfa_edit_webauthn"),
]
