"""Twilio accounts: their teams, guardrails and whether they are switched on."""

from django import forms
from django.contrib import admin
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from keys_app.forms import GuardRailsForm
from keys_app.organisation.models import Account
from keys_app.views.http import copy

from .audited import AuditedAdmin
from .columns import when, yes_no
from .teams import GUARD_RAILS, RAIL_LABELS


class AccountForm(GuardRailsForm[Account]):
    """An account with its guardrails."""

    class Meta:
        labels = {
            **RAIL_LABELS,
            "is_active": "Active",
            "leads_required": "Leads who must approve",
        }
        help_texts = {
            "is_active": "Untick it to stop new requests and keys on this account.",
            "teams": "Members of these teams can ask for keys on this account.",
            "leads_required": "Security also approves critical requests.",
            "max_lifetime_days": "For any key on this account. Empty: no limit beside the team’s.",
            "credential": "The API key with which the portal manages this account’s keys.",
        }
        widgets = {"teams": forms.CheckboxSelectMultiple}


@admin.register(Account)
class AccountAdmin(AuditedAdmin[Account]):
    """Accounts are connected with `manage.py connect_account`, which checks the credential first."""

    many, one = "Twilio accounts", "Twilio account"
    what_for = "Where keys are issued: which teams use each account, and its guardrails."
    instead_of_deleting = "Untick “Active” and save instead: then no new key is asked for or issued on it."

    form = AccountForm
    list_display = ["name", "environment", "twilio_sid", "used_by", "health",
                    yes_no("is_active", "Active")]  # fmt: skip
    fields = [
        "twilio_sid",
        "name",
        "environment",
        "teams",
        "is_active",
        "leads_required",
        *GUARD_RAILS,
        "credential",
        "connected",
        "credential_proved",
    ]
    readonly_fields = ["twilio_sid", "credential", "connected", "credential_proved"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        return super().get_queryset(request).select_related("check_state").prefetch_related("teams")

    @admin.display(description="Teams")
    def used_by(self, account: Account) -> str:
        return ", ".join(team.name for team in account.teams.all()) or "No team"

    @admin.display(description="Last compared with Twilio")
    def health(self, account: Account) -> SafeString | str:
        """Say when the account's keys were compared, and what is wrong with it."""
        try:
            check = account.check_state
        except ObjectDoesNotExist:
            return format_html('<span class="badge warn">{}</span>', "Never")
        if check.failed_runs:
            since = when(check.failing_since)
            failing = '<div><span class="badge bad">Failing</span> since {}: {}</div>'
            return format_html(failing, since, check.last_error)
        return when(check.last_complete_at)

    @admin.display(description="Twilio SID", ordering="sid")
    def twilio_sid(self, account: Account) -> SafeString:
        return copy.sid(account.sid, what="Twilio SID")

    @admin.display(description="Credential")
    def credential(self, account: Account) -> SafeString:
        return copy.sid(account.credential_user, what="SID of the credential")

    @admin.display(description="Connected")
    def connected(self, account: Account) -> SafeString | str:
        return when(account.connected_at)

    @admin.display(description="Credential proved")
    def credential_proved(self, account: Account) -> SafeString | str:
        """Say when the credential was tried with all that the portal does."""
        if account.proved_at:
            return when(account.proved_at)
        return (
            "No: it was tried with a listing alone, so the portal may be unable to make or delete keys. Run "
            "manage.py connect_account for this account to prove it."
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False
