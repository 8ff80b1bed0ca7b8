"""Passwords: a first one by invitation; where `PORTAL_LOCAL_SIGN_IN=0`, none counts, and the one way in without."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account.forms import SetPasswordForm
from allauth.account.internal.flows.login import record_authentication
from allauth.account.utils import perform_login
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from keys_app.core.actor import name_and_login
from keys_app.core.errors import SignInRefused
from keys_app.users import auth_events, emergency, invitations
from keys_app.users.limits import TooMany, give_back
from keys_app.users.password_tries import count_link
from keys_app.views.http.actor import address_of
from keys_app.views.http.problem import problem
from keys_app.views.http.signed_in import PortalRequest
from portal.oidc import records

View = Callable[..., HttpResponse]


def for_passwords(view: View) -> View:
    """Let there be no such page where passwords are off, and refuse who has none: the library would have one set."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        if not settings.LOCAL_SIGN_IN:
            raise Http404
        if request.user.is_authenticated and not request.user.has_usable_password():
            raise PermissionDenied("You have no password in the portal.")
        return view(request, *args, **options)

    return wrapped


@login_not_required
def accept_invitation(request: PortalRequest, token: str) -> HttpResponse:
    """Let who was invited set their password; then they sign in with it, as with any."""
    if not settings.LOCAL_SIGN_IN:
        raise Http404
    try:
        if request.user.is_authenticated:
            raise SignInRefused(
                f"You are signed in as {name_and_login(request.user)}. Sign out, and open the link again."
            )
        user = invitations.user_of(token)
        form = SetPasswordForm(data=request.POST if request.method == "POST" else None, user=user)
        if not form.is_valid():
            status = 422 if form.errors else 200
            return render(request, "account/invitation.html", {"form": form, "invited": user}, status=status)
        with transaction.atomic():
            form.user = invitations.accept(token)
            form.save()
    except SignInRefused as refused:
        return problem(request, refused, back_url="/", back_label="Home")
    messages.success(request, f"Your password is set. Sign in as {user.get_username()}.")
    return redirect("account_login")


@login_not_required
def emergency_sign_in(request: PortalRequest, token: str) -> HttpResponse:
    """Sign in who has the link, with a button: a program that only looks at links uses up none."""
    if request.method != "POST":
        return render(request, "account/emergency.html")
    try:
        tries = count_link(address=address_of(request))
        user = emergency.use_link(token)
    except (TooMany, SignInRefused) as refused:
        if isinstance(refused, TooMany):
            auth_events.note_turned_away(refused=refused, name="", address=address_of(request))
        else:
            auth_events.note_failed_sign_in(name="", address=address_of(request))
        return problem(request, refused, back_url="/", back_label="Home")
    give_back(tries)
    record_authentication(request, user, records.EMERGENCY)
    answer: HttpResponse = perform_login(request, user)
    return answer
