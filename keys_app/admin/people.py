"""People, groups, teams and accounts."""

from typing import TYPE_CHECKING, Any

from allauth.account.models import EmailAddress
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.forms import UserChangeForm
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator

from .. import selectors
from ..forms import GuardRailsForm, OneNameForm
from ..models import Account, Team, TeamMembership
from .audited import AsShownForm, AuditedAdmin

if TYPE_CHECKING:
    _UserChangeForm = UserChangeForm[User]
    _UserAdmin = UserAdmin[User]
    _TabularInline = admin.TabularInline[TeamMembership, Team]
else:
    _UserChangeForm, _UserAdmin, _TabularInline = UserChangeForm, UserAdmin, admin.TabularInline

admin.site.unregister(EmailAddress)  # the portal signs people in by name
admin.site.unregister(User)
admin.site.unregister(Group)


class PortalUserForm(_UserChangeForm):
    """Django's own refuses a login that differs only in case when a user is added, but not when one is changed."""

    def clean_username(self) -> str:
        login: str = self.cleaned_data["username"]
        twin = selectors.same_login(login)
        if twin and twin.pk != self.instance.pk:
            raise ValidationError(f"This login is taken: {selectors.name_and_login(twin)}. Case makes no difference.")
        return login


@admin.register(User)
class PortalUserAdmin(AuditedAdmin[User], _UserAdmin):
    """Users. Whoever has signed in, or is named in a decision, stays."""

    form = PortalUserForm
    instead_of_deleting = "Untick “Active” and save instead: that ends their sessions, and the audit still names them."

    def why_it_stays(self, request: HttpRequest, obj: User) -> str:
        why = super().why_it_stays(request, obj)
        return why or (f"{selectors.name_and_login(obj)} has signed in, so events name them." if obj.last_login else "")

    @method_decorator(transaction.atomic)
    def user_change_password(self, *args: Any, **kwargs: Any) -> HttpResponse:
        """Django saves the password and its log entry one by one; here both, and the event, or nothing."""
        return super().user_change_password(*args, **kwargs)


@admin.register(Group)
class PortalGroupAdmin(AuditedAdmin[Group], GroupAdmin):
    """The three groups are what the rules speak of: they are not renamed, added to or deleted."""

    readonly_fields = ["name"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return False


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
