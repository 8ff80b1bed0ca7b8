"""Teams: who is in them, who leads, and their guardrails."""

from typing import TYPE_CHECKING

from django.contrib import admin

from keys_app.forms import GuardRailsForm, OneNameForm
from keys_app.organisation.models import Team, TeamMembership

from .audited import AsShownForm, AuditedAdmin

if TYPE_CHECKING:
    _TabularInline = admin.TabularInline[TeamMembership, Team]
else:
    _TabularInline = admin.TabularInline


class MembershipInline(_TabularInline):
    """Who is in a team, on the team's page."""

    model = TeamMembership
    form = AsShownForm
    extra = 0
    autocomplete_fields = ["user"]


GUARD_RAILS = ["max_lifetime_days", "max_risk", "allowed_products", "forbidden_permissions"]


class TeamForm(OneNameForm[Team], GuardRailsForm[Team]):
    """A team with its guardrails."""


@admin.register(Team)
class TeamAdmin(AuditedAdmin[Team]):
    """Teams with their members and guardrails."""

    form = TeamForm
    instead_of_deleting = "Remove its members instead: then no one asks for a key with it."
    fields = ["name", "notice_email", *GUARD_RAILS]
    list_display = ["name", "max_lifetime_days", "max_risk"]
    search_fields = ["name"]
    inlines = [MembershipInline]
