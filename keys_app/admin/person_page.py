"""What a user's page in the admin shows besides what can be changed there."""

from django.contrib import admin
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from keys_app.core.times import day
from keys_app.organisation import roles
from keys_app.organisation.roles import Role
from keys_app.users import account_changes, factors, invitations
from keys_app.users.models import Identity

SHOWN = ["where_from", "teams", "password_state", "second_factors", "provider"]


@admin.display(description="From where")
def where_from(user: User) -> SafeString | str:
    """Say where each role comes from."""
    return _listed("{}, {}", [(role.name, role.source) for role in roles.roles_of(user)]) or "No role yet."


@admin.display(description="Teams")
def teams(user: User) -> SafeString | str:
    """Say which teams they are in, as what, and where from."""
    return _listed("{}: {}, {}", [_cells(team) for team in roles.teams_of(user)]) or "In no team."


@admin.display(description="Password")
def password_state(user: User) -> SafeString | str:
    """Say whether there is one, who set it, and where another is set."""
    if not user.has_usable_password():
        return invitations.why_not(user) or "None yet. “Invite again” in the list of users makes a new link."
    by = account_changes.sign_in_of(user).password_set_by
    page = reverse("admin:auth_user_password_change", args=[user.pk])
    return format_html('{} <a href="{}">Set another</a>', f"Set by {by}." if by else "Set by the user.", page)


@admin.display(description="Second factors")
def second_factors(user: User) -> str:
    """Name them; “Take the second factors away” in the list is for users who lost them."""
    return ", ".join(factors.kind_of(one) for one in factors.factors_of(user)) or "None."


@admin.display(description="Sign-in provider")
def provider(user: User) -> str:
    """Say as whom the provider knows them."""
    known = Identity.objects.filter(pk=user.pk).first()
    return f"As {known.subject}, since {day(known.joined_at)}." if known else "Does not sign in with it."


def _cells(role: Role) -> tuple[str, str, str]:
    return role.name, role.meaning, role.source


def _listed(form: str, rows: list[tuple[str, ...]]) -> SafeString:
    return format_html_join(mark_safe("<br>"), form, rows)
