"""Twilio accounts: their teams, guardrails and whether they are switched on."""

from typing import TYPE_CHECKING

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import UserChangeForm
from django.contrib.auth.models import User
from django.http import HttpRequest

from keys_app.organisation.models import Account, Team, TeamMembership

from .audited import AuditedAdmin
from .teams import GUARD_RAILS
from .users import AccountForm

if TYPE_CHECKING:
    _UserChangeForm = UserChangeForm[User]
    _UserAdmin = UserAdmin[User]
    _TabularInline = admin.TabularInline[TeamMembership, Team]
else:
    _UserChangeForm, _UserAdmin, _TabularInline = UserChangeForm, UserAdmin, admin.TabularInline


@admin.register(Account)
class AccountAdmin(AuditedAdmin[Account]):
    """Accounts are connected with `manage.py connect_account`, which checks the credential first."""

    instead_of_deleting = "Untick “Is active” and save instead: then no new key is asked for or issued on it."

    form = AccountForm
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
