"""The operator's part of the catalogue."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from keys_app.catalogue import current
from keys_app.catalogue.models import CataloguePermission
from keys_app.forms import ModelForm
from keys_app.key_requests.models import KeyRequest
from keys_app.key_requests.queries import OPEN_REQUESTS
from keys_app.keys.models import ApiKey
from keys_app.keys.queries import LIVE_KEYS
from keys_app.permissions.catalogue import catalogue, look_alike, why_not_a_permission

from . import catalogue_list
from .audited import AuditedAdmin


class CataloguePermissionForm(ModelForm[CataloguePermission]):
    """An operator's entry in the catalogue, and a way to insist on a name that looks like a slip."""

    spelled_right = forms.BooleanField(
        label="The spelling is right", required=False, help_text="Only needed for a name that is very like another."
    )

    class Meta:
        model = CataloguePermission
        fields = ["name", "meaning", "removed"]
        labels = {"name": "Permission", "removed": "Removed"}
        help_texts = {
            "name": "As Twilio spells it: /twilio/product/resource/action.",
            "meaning": "What the resource is, in a few words that follow “can read …”.",
            "removed": "No one can ask for it any more. Old requests still show it.",
        }

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        name = data.get("name") or self.instance.pk
        if self.instance._state.adding and name and (problem := self._problem(name)):
            self.add_error("name", problem)
        elif name in catalogue() and not data.get("removed"):
            self.add_error("removed", "The portal has this permission anyway. Tick this, or do without the entry.")
        return data

    def _problem(self, name: str) -> str:
        if problem := why_not_a_permission(name):
            return problem
        twin = "" if self.cleaned_data.get("spelled_right") else look_alike(name, current.current_catalogue())
        return twin and f"This is very like {twin}, which the portal has. If it is right, tick “The spelling is right”."


@admin.register(CataloguePermission)
class CataloguePermissionAdmin(AuditedAdmin[CataloguePermission]):
    """Permissions that the package does not have, or that Twilio removed."""

    form = CataloguePermissionForm
    many, one = "Catalogue", "permission"
    what_for = "Every permission the portal knows. Add what Twilio added since, or mark what it removed."

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """List the built-in permissions too, which are no rows."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return catalogue_list.view(request, self)

    def get_fields(self, request: HttpRequest, obj: CataloguePermission | None = None) -> tuple[str, ...]:
        return ("name", "meaning", "removed", "in_use" if obj else "spelled_right")

    def get_readonly_fields(self, request: HttpRequest, obj: CataloguePermission | None = None) -> list[str]:
        return ["name", "in_use"] if obj else []

    @admin.display(description="in use")
    def in_use(self, entry: CataloguePermission) -> str:
        uses = self._uses(entry)
        return f"{uses} open requests or live keys hold it, so it stays. Tick “removed” to stop more." if uses else "No"

    def has_delete_permission(self, request: HttpRequest, obj: CataloguePermission | None = None) -> bool:
        """Keep an addition whose meaning an approver or owner may still have to read."""
        return super().has_delete_permission(request, obj) and not (obj and self._uses(obj))

    def _uses(self, entry: CataloguePermission) -> int:
        if entry.name in catalogue():
            return 0
        holds = {"policy_json__contains": f'"{entry.name}"'}
        open_requests = KeyRequest.objects.filter(state__in=OPEN_REQUESTS, **holds)
        return open_requests.count() + ApiKey.objects.filter(state__in=LIVE_KEYS, **holds).count()

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        """Add what was saved: the ledger has to tell a removal from its undoing."""
        saved = {"meaning": form.instance.meaning, "removed": form.instance.removed}
        return [*super().construct_change_message(request, form, formsets, add), {"saved": saved}]
