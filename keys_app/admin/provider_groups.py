"""What groups of the sign-in provider give. Where a file says it, this table is read and not changed."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from keys_app.forms import ModelForm
from keys_app.organisation.models import ProviderGroup

from .audited import AuditedAdmin
from .columns import named, yes_no


class ProviderGroupForm(ModelForm[ProviderGroup]):
    """A group of the provider, as it is typed."""

    class Meta:
        model = ProviderGroup
        fields = ["name", "group", "teams", "lead", "admin"]
        labels = {
            "name": "Group at the provider",
            "group": "Role",
            "lead": "Leads them",
            "admin": "Portal admin",
        }
        help_texts = {"name": "As the provider’s tokens name it.", "teams": "Its members join these teams."}
        widgets = {"teams": forms.CheckboxSelectMultiple}

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if data.get("lead") and not data.get("teams"):
            raise forms.ValidationError("Choose the teams that they lead.")
        return data


@admin.register(ProviderGroup)
class ProviderGroupAdmin(AuditedAdmin[ProviderGroup]):
    """Groups of the provider, with what each gives."""

    form = ProviderGroupForm
    many, one = "Provider groups", "provider group"
    what_for = "Which roles and teams a group at your sign-in provider gives."
    fields = ["name", "group", "teams", "lead", "admin"]
    list_display = [named("name", "Group at the provider"), named("group", "Role", "None"), "gives_teams",
                    yes_no("lead", "Leads them"), yes_no("admin", "Portal admin")]  # fmt: skip
    list_select_related = ["group"]
    search_fields = ["name"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProviderGroup]:
        return super().get_queryset(request).prefetch_related("teams")

    @admin.display(description="Teams")
    def gives_teams(self, group: ProviderGroup) -> str:
        return ", ".join(team.name for team in group.teams.all()) or "None"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and not settings.OIDC.groups_file

    def has_change_permission(self, request: HttpRequest, obj: ProviderGroup | None = None) -> bool:
        return super().has_change_permission(request, obj) and not settings.OIDC.groups_file

    def has_delete_permission(self, request: HttpRequest, obj: ProviderGroup | None = None) -> bool:
        return super().has_delete_permission(request, obj) and not settings.OIDC.groups_file
