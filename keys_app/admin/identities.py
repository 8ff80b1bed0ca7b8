"""Which users sign in with the provider, and as whom there: a portal admin joins and parts them."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from keys_app.core.actor import name_and_login
from keys_app.forms import ModelForm
from keys_app.users import account_changes, provider_rights
from keys_app.users.models import Identity
from keys_app.views.http.actor import actor_of

from .audited import AuditedAdmin
from .columns import named, when


class IdentityForm(ModelForm[Identity]):
    """A user, and the subject as the provider has it."""

    class Meta:
        model = Identity
        fields = ["user", "subject"]
        labels = {"subject": "Subject at the provider"}
        help_texts = {"subject": "As the provider’s tokens name this user."}


@admin.register(Identity)
class IdentityAdmin(AuditedAdmin[Identity]):
    """Joins a user who is there with an account at the provider. The user is told by mail."""

    form = IdentityForm
    many, one = "Provider sign-ins", "provider sign-in"
    what_for = "Which user is which account at your sign-in provider."
    fields = ["user", "subject"]
    list_display = ["who", named("subject", "Subject at the provider"), named("issuer", "Provider"), "since"]
    list_select_related = ["user"]
    search_fields = ["user__username", "subject"]

    @admin.display(description="User", ordering="user__username")
    def who(self, identity: Identity) -> str:
        return name_and_login(identity.user)

    @admin.display(description="Since", ordering="joined_at")
    def since(self, identity: Identity) -> str:
        return when(identity.joined_at)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and bool(settings.OIDC.issuer)

    def has_change_permission(self, request: HttpRequest, obj: Identity | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Identity, form: Any, change: bool) -> None:
        obj.issuer, obj.joined_at = settings.OIDC.issuer, timezone.now()
        super().save_model(request, obj, form, change)
        what = f"signs in with the provider, there as {obj.subject}"
        account_changes.tell(user=obj.user, actor=actor_of(request), what=what)

    @transaction.atomic
    def delete_model(self, request: HttpRequest, obj: Identity) -> None:
        """Take the rights that came from there too, and end the user's sessions."""
        user, actor = obj.user, actor_of(request)
        provider_rights.apply(user=user, rights=frozenset(), actor=actor)
        super().delete_model(request, obj)
        account_changes.end_sessions(user)
        account_changes.tell(user=user, actor=actor, what="signs in with the provider no more")
