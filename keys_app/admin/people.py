"""People, groups, teams and accounts."""

from typing import Any

from allauth.account.models import EmailAddress
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator

from ..forms import GuardRailsForm
from ..models import Account, Team, TeamMembership
from .audited import AsShownForm, AuditedAdmin

admin.site.unregister(EmailAddress)  # the portal signs people in by name
admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class PortalUserAdmin(AuditedAdmin, UserAdmin):
    @method_decorator(transaction.atomic)
    def user_change_password(self, *args: Any, **kwargs: Any) -> HttpResponse:
        """Django saves the password and its log entry one by one; here both, and the event, or nothing."""
        return super().user_change_password(*args, **kwargs)


@admin.register(Group)
class PortalGroupAdmin(AuditedAdmin, GroupAdmin):
    """The three groups are what the rules speak of: they are not renamed, added to or deleted."""

    readonly_fields = ["name"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class MembershipInline(admin.TabularInline):
    model = TeamMembership
    form = AsShownForm
    extra = 0
    autocomplete_fields = ["user"]


GUARD_RAILS = ["max_lifetime_days", "max_risk", "allowed_products", "forbidden_permissions"]


@admin.register(Team)
class TeamAdmin(AuditedAdmin):
    form = GuardRailsForm
    fields = ["name", "notice_email", *GUARD_RAILS]
    list_display = ["name", "max_lifetime_days", "max_risk"]
    search_fields = ["name"]
    inlines = [MembershipInline]


@admin.register(Account)
class AccountAdmin(AuditedAdmin):
    """Accounts are connected with `manage.py connect_account`, which checks the credential first."""

    form = GuardRailsForm
    list_display = ["name", "sid", "environment", "is_active", "max_risk"]
    fields = [
        "sid",
        "name",
        "environment",
        "teams",
        "is_active",
        "leads_required",
        *GUARD_RAILS,
        "credential_user",
        "connected_at",
    ]
    readonly_fields = ["sid", "credential_user", "connected_at"]
    filter_horizontal = ["teams"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False
