"""A user's own account: who they are here, their sessions, and how pages look to them."""

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import auth, messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from keys_app.forms import PreferencesForm
from keys_app.organisation import preferences as own_preferences
from keys_app.organisation import roles
from keys_app.users import factors, session_list
from keys_app.users.account_changes import sign_in_of
from keys_app.views.http import keyboard
from keys_app.views.http.actor import actor_of
from keys_app.views.http.decorators import post_or_go_back
from keys_app.views.http.drafts import given_back
from keys_app.views.http.signed_in import SignedInRequest, as_path
from keys_app.views.http.theme import COOKIE, KEPT_FOR, THEMES


@require_safe
def profile(request: SignedInRequest) -> HttpResponse:
    """Show a user who they are here, what they may do, and where they have it from."""
    user = request.user
    kinds = [factors.kind_of(one) for one in factors.factors_of(user)]
    about = {"roles": roles.roles_of(user), "teams": roles.teams_of(user)}
    context = {**about, "sign_in": sign_in_of(user), "factors": kinds}
    return render(request, "portal/profile.html", context)


@require_safe
def sessions(request: SignedInRequest) -> HttpResponse:
    """Show a user where they are signed in."""
    listed = session_list.sessions_of(request.user, request.session)
    context = {"sessions": listed, "most": session_list.MOST, "idle": settings.SESSION_IDLE}
    return render(request, "portal/sessions.html", context)


@post_or_go_back
def session_end(request: SignedInRequest, session_id: int) -> HttpResponse:
    """End one of the user's other sessions. Raises `Http404` for another's, and for the one this is."""
    try:
        if session_list.is_this_one(user=request.user, pk=session_id, this=request.session):
            raise Http404("“Sign out” ends this one")
        session_list.end_one(user=request.user, pk=session_id, actor=actor_of(request))
    except UserSession.DoesNotExist:
        raise Http404("no such session of this user") from None
    messages.success(request, "That session has ended.")
    return redirect("account_sessions")


@post_or_go_back
def sessions_end_others(request: SignedInRequest) -> HttpResponse:
    """End the user's sessions but this one."""
    session_list.end_all(user=request.user, actor=actor_of(request), but=request.session)
    messages.success(request, "All your other sessions have ended.")
    return redirect("account_sessions")


@post_or_go_back
def sessions_end_all(request: SignedInRequest) -> HttpResponse:
    """End all of the user's sessions, this one too."""
    session_list.end_all(user=request.user, actor=actor_of(request))
    auth.logout(request)
    messages.success(request, "All your sessions have ended, this one too.")
    return redirect("account_login")


def preferences(request: SignedInRequest) -> HttpResponse:
    """Let a user choose the time zone of their pages and which mails they get, and when."""
    kept = {**own_preferences.chosen_by(request.user), "shortcuts": keyboard.choice_of(request)}
    chosen = {**kept, **given_back(request, request.path).each()}
    form = PreferencesForm(request.POST if request.method == "POST" else None, initial=chosen)
    if form.is_valid():
        values = dict(form.cleaned_data)
        shortcuts = values.pop("shortcuts")
        own_preferences.choose(user=request.user, chosen=values, actor=actor_of(request))
        messages.success(request, "Saved.")
        answer = redirect("account_preferences")
        if shortcuts:
            keyboard.keep(answer, shortcuts)
        return answer
    context = {"form": form, "sends_mail": settings.SENDS_MAIL, "digest_hour": settings.DIGEST_HOUR}
    return render(request, "portal/preferences.html", context, status=422 if form.errors else 200)


@post_or_go_back
def choose_theme(request: SignedInRequest) -> HttpResponse:
    """Keep the theme that was chosen for this browser, and go back to the page it was chosen on."""
    theme = request.POST.get("theme", "")
    answer = redirect(as_path(request.POST.get("next", "")) or "account_profile")
    answer.set_cookie(
        COOKIE,
        theme if theme in THEMES else "",
        max_age=KEPT_FOR if theme in THEMES else 0,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return answer
