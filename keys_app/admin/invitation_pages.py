"""The pages on which portal admins invite users, and see the links that no mail carries."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from keys_app.core.errors import Conflict
from keys_app.core.text import counted
from keys_app.organisation.access import ROLES
from keys_app.users import invitation_list
from keys_app.users.invitations import VALID_FOR, Invitation
from keys_app.views.http.actor import actor_of
from keys_app.views.http.drafts import given_back

MAX_TEXT = 200_000
_EXAMPLE = f"{invitation_list.HEADER}\nada,Ada Lovelace,ada@example.com,Team leads,Payments,yes"


class SeveralForm(forms.Form):
    """A list of users, as CSV."""

    lines = forms.CharField(
        label="Users",
        max_length=MAX_TEXT,
        strip=False,
        widget=forms.Textarea(attrs={"class": "wide", "rows": 12, "spellcheck": "false", "placeholder": _EXAMPLE}),
        error_messages={"required": "Paste at least the header and one line."},
    )

    def clean_lines(self) -> list[invitation_list.Newcomer]:
        try:
            return invitation_list.read(self.cleaned_data["lines"])
        except invitation_list.Faulty as error:
            raise ValidationError(error.faults) from None


def several(request: HttpRequest, page: Any) -> HttpResponse:
    """Take a list and invite all of it, or say what is wrong with each line. Raises `AlreadyMade` if sent before."""
    kept = given_back(request, request.path).each()
    form = SeveralForm(request.POST if request.method == "POST" else None, initial=kept)
    if form.is_valid():
        try:
            invited = invitation_list.invite_all(form.cleaned_data["lines"], actor=actor_of(request))
        except IntegrityError:
            form.add_error("lines", "Another user took one of these logins at this moment. No one was added.")
        except Conflict as error:
            form.add_error("lines", error.message)
        else:
            return answer(request, page, invited, HttpResponseRedirect(reverse("admin:auth_user_changelist")))
    context = {
        **page.admin_site.each_context(request),
        "title": "Invite several users",
        "form": form,
        "header": invitation_list.HEADER,
        "groups": ", ".join(ROLES),
        "days": VALID_FOR.days,
    }
    return render(request, "admin/auth/user/invite.html", context, status=422 if form.errors else 200)


def answer(request: HttpRequest, page: Any, invited: list[Invitation], otherwise: HttpResponse) -> HttpResponse:
    """Show the links that no mail carries, this once; without any, say who was mailed and answer as given."""
    links = [one for one in invited if one.link]
    mailed = len(invited) - len(links)
    if mailed:
        page.message_user(request, f"Invited by mail: {counted(mailed, 'user')}.", messages.SUCCESS)
    if not links:
        return otherwise
    context = {**page.admin_site.each_context(request), "title": "Invitations", "links": links, "days": VALID_FOR.days}
    return render(request, "admin/auth/user/invited.html", context)
