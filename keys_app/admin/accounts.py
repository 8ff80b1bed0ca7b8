"""Twilio accounts: their teams, guardrails and whether they are switched on."""

from django.contrib import admin
from django.http import HttpRequest

from keys_app.forms import GuardRailsForm
from keys_app.organisation.models import Account

from .audited import AuditedAdmin
from .teams import GUARD_RAILS


class AccountForm(GuardRailsForm[Account]):
    """An account with its guardrails."""


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
