"""Teams: who is in them, who leads, and their guardrails."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from keys_app.core.actor import display_name
from keys_app.forms import GuardRailsForm, OneNameForm
from keys_app.organisation.models import Team, TeamMembership

from .audited import AsShownForm, AuditedAdmin
from .columns import days, risk
from .worded import PlainFields

if TYPE_CHECKING:
    _TabularInline = admin.TabularInline[TeamMembership, Team]
else:
    _TabularInline = admin.TabularInline


class MembershipInline(PlainFields, _TabularInline):
    """Who is in a team, on the team's page."""

    model = TeamMembership
    form = AsShownForm
    verbose_name, verbose_name_plural = "member", "members"
    stays = "user"  # on a member's row: another user is another row
    extra = 1  # so that a member is added without JavaScript too

    def get_queryset(self, request: HttpRequest) -> QuerySet[TeamMembership]:
        return super().get_queryset(request).select_related("user", "team").order_by("pk")


GUARD_RAILS = ["max_lifetime_days", "max_risk", "allowed_products", "forbidden_permissions"]
RAIL_LABELS = {"max_lifetime_days": "Maximum lifetime in days", "max_risk": "Highest risk allowed"}


class TeamForm(OneNameForm[Team], GuardRailsForm[Team]):
    """A team with its guardrails."""

    class Meta:
        labels = {**RAIL_LABELS, "notice_email": "Team’s mail address"}
        help_texts = {
            "notice_email": "Gets the team’s notices too.",
            "max_lifetime_days": "For any key of this team: 1 to 365.",
        }


@admin.register(Team)
class TeamAdmin(AuditedAdmin[Team]):
    """Teams with their members and guardrails."""

    form = TeamForm
    many, one = "Teams", "team"
    what_for = "Who asks for keys together, who leads, and the team’s guardrails."
    instead_of_deleting = "Remove its members instead: then no one asks for a key with it."
    fields = ["name", "notice_email", *GUARD_RAILS]
    list_display = ["name", "led_by", "size", days("max_lifetime_days", "Maximum lifetime"),
                    risk("max_risk", "Highest risk")]  # fmt: skip
    search_fields = ["name"]
    inlines = [MembershipInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Team]:
        teams: QuerySet[Team] = super().get_queryset(request).annotate(size=Count("memberships"))
        return teams.prefetch_related("memberships__user")

    @admin.display(description="Leads")
    def led_by(self, team: Team) -> str:
        leads = [one.user for one in team.memberships.all() if one.is_lead and one.user.is_active]
        return ", ".join(sorted(map(display_name, leads))) or "No lead"

    @admin.display(description="Members", ordering="size")
    def size(self, team: Any) -> int:
        return int(team.size)
