"""The base of what portal admins edit."""

from typing import Any

from django.contrib import admin
from django.db import connection
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from ..services.actors import actor_of
from ..services.administration import lock_and_read, record_admin_change


class AuditedAdmin(admin.ModelAdmin):
    """For portal admins alone. Writes each change to the ledger, in the same transaction."""

    actions = None  # deleting several at once is not one transaction

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Allow the filters that are shown and nothing else: an address can ask for more than a page offers."""
        return lookup.removesuffix("__exact").removesuffix("__id") in self.list_filter

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.is_superuser

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.is_superuser

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.is_superuser

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.is_superuser

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.is_superuser

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Model | None:
        """Return the row; one that is about to be changed is locked, and what it is now is kept for the event."""
        obj = super().get_object(request, object_id, from_field)
        if obj is not None and request.method == "POST" and connection.in_atomic_block:
            before = lock_and_read(obj)
            obj = super().get_object(request, object_id, from_field)  # as it is under the lock
            obj.state_before = before
        return obj

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        record_admin_change(actor=actor_of(request), what="created", subject=obj, changes=message)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        before = getattr(obj, "state_before", None)
        record_admin_change(actor=actor_of(request), what="changed", subject=obj, changes=message, before=before)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet) -> Any:
        for obj in queryset:
            before = getattr(obj, "state_before", None)
            record_admin_change(actor=actor_of(request), what="deleted", subject=obj, changes=[], before=before)
        return super().log_deletions(request, queryset)
