"""Twilio accounts: their teams, guardrails and whether they are switched on."""

from django.contrib import admin
from django.http import HttpRequest

from keys_app.core.times import moment
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
        "credential_proved",
    ]
    readonly_fields = ["sid", "credential_user", "connected_at", "credential_proved"]
    filter_horizontal = ["teams"]

    @admin.display(description="Credential proved")
    def credential_proved(self, account: Account) -> str:
        """Say when the credential was tried with all that the portal does."""
        if account.proved_at:
            return moment(account.proved_at)
        return (
            "No: it was tried with a listing alone, so the portal may be unable to make or delete keys. Run "
            "manage.py connect_account for this account to prove it."
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False
