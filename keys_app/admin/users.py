"""Users and groups: who may sign in, and as what."""

from typing import TYPE_CHECKING, Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.forms import UserChangeForm
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator

from keys_app.core.actor import name_and_login
from keys_app.organisation import access
from keys_app.users import factors
from keys_app.views.http.actor import actor_of

from .audited import AuditedAdmin

if TYPE_CHECKING:
    _UserChangeForm = UserChangeForm[User]
    _UserAdmin = UserAdmin[User]
else:
    _UserChangeForm, _UserAdmin = UserChangeForm, UserAdmin


admin.site.unregister(UserSession)  # users see their own alone, and no one a session's key
for model in (EmailAddress, SocialAccount, SocialApp, SocialToken):
    admin.site.unregister(model)  # the portal signs people in by name, and knows the provider by its settings
admin.site.unregister(Authenticator)  # it would show what is stored of a factor, and change it without an event
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
    actions = ["take_factors_away"]  # type: ignore[assignment]  # the base has none
    instead_of_deleting = "Untick “Active” and save instead: that ends their sessions, and the audit still names them."

    def why_it_stays(self, request: HttpRequest, obj: User) -> str:
        why = super().why_it_stays(request, obj)
        return why or (f"{name_and_login(obj)} has signed in, so events name them." if obj.last_login else "")

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Leave out deleting several at once, which is not one transaction."""
        return {name: action for name, action in super().get_actions(request).items() if name in self.actions}

    @admin.action(description="Take the second factors away", permissions=["change"])
    def take_factors_away(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        """For users who lost them. Their sessions end, they and Security are told, and each is an event."""
        for user in chosen:
            with transaction.atomic():
                were = factors.reset(user=user, actor=actor_of(request))
            name = name_and_login(user)
            if were:
                self.message_user(request, f"Taken away from {name}: {', '.join(were)}. Their sessions have ended.")
            else:
                self.message_user(request, f"{name} has no second factor.", messages.WARNING)

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
