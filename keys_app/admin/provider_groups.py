"""What groups of the sign-in provider give. Where a file says it, this table is read and not changed."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest

from keys_app.forms import ModelForm
from keys_app.organisation.models import ProviderGroup

from .audited import AuditedAdmin


class ProviderGroupForm(ModelForm[ProviderGroup]):
    """A group of the provider, as it is typed."""

    class Meta:
        model = ProviderGroup
        fields = ["name", "group", "teams", "lead", "admin"]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if data.get("lead") and not data.get("teams"):
            raise forms.ValidationError("Choose the teams that they lead.")
        return data


@admin.register(ProviderGroup)
class ProviderGroupAdmin(AuditedAdmin[ProviderGroup]):
    """Groups of the provider, with what each gives."""

    form = ProviderGroupForm
    fields = ["name", "group", "teams", "lead", "admin"]
    list_display = ["name", "group", "lead", "admin"]
    list_select_related = ["group"]
    search_fields = ["name"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and not settings.OIDC.groups_file

    def has_change_permission(self, request: HttpRequest, obj: ProviderGroup | None = None) -> bool:
        return super().has_change_permission(request, obj) and not settings.OIDC.groups_file

    def has_delete_permission(self, request: HttpRequest, obj: ProviderGroup | None = None) -> bool:
        return super().has_delete_permission(request, obj) and not settings.OIDC.groups_file
