"""Users and groups: who may sign in, and as what."""

from typing import TYPE_CHECKING, Any

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.forms import UserChangeForm
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator

from keys_app.core.actor import name_and_login
from keys_app.organisation import access

from .audited import AuditedAdmin

if TYPE_CHECKING:
    _UserChangeForm = UserChangeForm[User]
    _UserAdmin = UserAdmin[User]
else:
    _UserChangeForm, _UserAdmin = UserChangeForm, UserAdmin


admin.site.unregister(UserSession)  # users see their own alone, and no one a session's key
for model in (EmailAddress, SocialAccount, SocialApp, SocialToken):
    admin.site.unregister(model)  # the portal signs people in by name, and knows the provider by its settings
admin.site.unregister(User)
admin.site.unregister(Group)


class PortalUserForm(_UserChangeForm):
    """Django's own refuses a login that differs only in case when a user is added, but not when one is changed."""

    def clean_username(self) -> str:
        login: str = self.cleaned_data["username"]
        twin = access.same_login(login)
        if twin and twin.pk != self.instance.pk:
            raise ValidationError(f"This login is taken: {name_and_login(twin)}. Case makes no difference.")
        return login


@admin.register(User)
class PortalUserAdmin(AuditedAdmin[User], _UserAdmin):
    """Users. Whoever has signed in, or is named in a decision, stays."""

    form = PortalUserForm
    instead_of_deleting = "Untick “Active” and save instead: that ends their sessions, and the audit still names them."

    def why_it_stays(self, request: HttpRequest, obj: User) -> str:
        why = super().why_it_stays(request, obj)
        return why or (f"{name_and_login(obj)} has signed in, so events name them." if obj.last_login else "")

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
