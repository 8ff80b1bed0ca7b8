"""Users and groups: who may sign in, and as what."""

from typing import TYPE_CHECKING, Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm, UsernameField
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString

from keys_app.core.actor import display_name, name_and_login
from keys_app.core.errors import Conflict
from keys_app.core.text import counted
from keys_app.forms import ModelForm, field_of
from keys_app.organisation import access, roles
from keys_app.users import account_changes, factors, invitations
from keys_app.users.admin_events import record_admin_change
from keys_app.views.http.actor import actor_of

from . import invitation_pages, person_page
from .audited import AuditedAdmin
from .columns import when, yes_no

if TYPE_CHECKING:
    _UserAdmin = UserAdmin[User]
    _PasswordForm = AdminPasswordChangeForm[User]
else:
    _UserAdmin = UserAdmin
    _PasswordForm = AdminPasswordChangeForm


admin.site.unregister(UserSession)  # users see their own alone, and no one a session's key
for model in (EmailAddress, SocialAccount, SocialApp, SocialToken):
    admin.site.unregister(model)  # the portal signs people in by name, and knows the provider by its settings
admin.site.unregister(Authenticator)  # it would show what is stored of a factor, and change it without an event
admin.site.unregister(User)
admin.site.unregister(Group)


class _PersonForm(ModelForm[User]):
    """Who a user is, and their roles with what each means."""

    class Meta:
        model = User
        fields = ["username", "first_name", "last_name", "email", "groups"]
        field_classes = {"username": UsernameField}
        labels = {"username": "Login", "groups": "Roles", "email": "Mail address"}
        help_texts = {"username": "Case makes no difference.", "groups": "Teams are edited on the team’s own page."}
        widgets = {"groups": forms.CheckboxSelectMultiple}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field_of(self, "groups", forms.ModelChoiceField).label_from_instance = (  # type: ignore[method-assign]
            lambda obj: f"{obj}: {roles.meaning_of(obj.name)}"
        )

    def clean_username(self) -> str:
        """Refuse a login that differs from another's only in case, which Django itself takes."""
        login: str = self.cleaned_data["username"]
        twin = access.same_login(login)
        if twin and twin.pk != self.instance.pk:
            raise ValidationError(f"This login is taken: {name_and_login(twin)}. Case makes no difference.")
        return login


class NewPasswordForm(_PasswordForm):
    """A password that a portal admin sets for a user."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password1"].label, self.fields["password2"].label = "New password", "New password, again"
        self.fields["password2"].help_text = ""


class PortalUserForm(_PersonForm):
    """A user who is there."""

    class Meta(_PersonForm.Meta):
        fields = [*_PersonForm.Meta.fields, "is_active", "is_superuser"]
        labels = {
            **_PersonForm.Meta.labels,
            "is_superuser": roles.ADMIN,
        }
        help_texts = {**_PersonForm.Meta.help_texts, "is_superuser": roles.ADMIN_MEANING, "is_active": "May sign in."}


@admin.register(User)
class PortalUserAdmin(AuditedAdmin[User], _UserAdmin):
    """Users. Whoever has signed in, or is named in a decision, stays."""

    form = PortalUserForm
    add_form = _PersonForm
    change_password_form = NewPasswordForm
    add_form_template = "admin/keys_app/add_form.html"
    change_list_template = "admin/auth/user/users.html"
    many, one = "Users", "user"
    what_for = "Who may sign in, and as what."
    fieldsets = [
        (None, {"fields": ["username", "first_name", "last_name", "email", "is_active"]}),
        ("What they may do", {"fields": ["groups", "is_superuser", "where_from", "teams"]}),
        ("How they sign in", {"fields": ["password_state", "second_factors", "provider", "last_sign_in", "added"]}),
    ]
    add_fieldsets = [(None, {"fields": ["username", "first_name", "last_name", "email", "groups"]})]
    readonly_fields = [*person_page.SHOWN, "last_sign_in", "added"]
    list_display = ["name", "login", "in_teams", "roles", "last_sign_in", yes_no("is_active", "Active")]
    list_filter = ["is_active", "is_superuser", "groups"]
    filter_titles = {"is_active": "Active", "is_superuser": "Portal admin", "groups": "Role"}
    ordering = ["first_name", "last_name", "username"]
    filter_horizontal = []
    actions = ["invite", "take_factors_away"]  # type: ignore[assignment]  # the base has none
    instead_of_deleting = "Untick “Active” and save instead: that ends their sessions, and the audit still names them."

    where_from, teams = staticmethod(person_page.where_from), staticmethod(person_page.teams)
    password_state, provider = staticmethod(person_page.password_state), staticmethod(person_page.provider)
    second_factors = staticmethod(person_page.second_factors)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups", "memberships__team")

    @admin.display(description="Name", ordering="first_name")
    def name(self, user: User) -> str:
        return display_name(user)

    @admin.display(description="Login", ordering="username")
    def login(self, user: User) -> str:
        return user.get_username()

    @admin.display(description="Teams")
    def in_teams(self, user: User) -> str:
        teams = [(one.team.name, " (lead)" if one.is_lead else "") for one in user.memberships.all()]
        return ", ".join(f"{name}{part}" for name, part in sorted(teams)) or "None"

    @admin.display(description="Last sign-in", ordering="last_login")
    def last_sign_in(self, user: User) -> str:
        return when(user.last_login)

    @admin.display(description="Added", ordering="date_joined")
    def added(self, user: User) -> str:
        return when(user.date_joined)

    def shown_name(self, obj: User) -> str:
        return name_and_login(obj)

    def audit_search(self, obj: User) -> str:
        return f'action:user.* "{obj.get_username()}"'

    @admin.display(description="Roles")
    def roles(self, user: User) -> str:
        return ", ".join([*(group.name for group in user.groups.all()), *([roles.ADMIN] if user.is_superuser else [])])

    def why_it_stays(self, request: HttpRequest, obj: User) -> str:
        why = super().why_it_stays(request, obj)
        return why or (f"{name_and_login(obj)} has signed in, so events name them." if obj.last_login else "")

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Leave out deleting several at once, which is not one transaction."""
        return {name: action for name, action in super().get_actions(request).items() if name in self.actions}

    def get_urls(self) -> list[Any]:
        several = self.admin_site.admin_view(self.invite_several)
        return [path("invite/", several, name="auth_user_invite"), *super().get_urls()]

    def invite_several(self, request: HttpRequest) -> HttpResponse:
        """Add and invite several users, as a list names them."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return invitation_pages.several(request, self)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        if not change:
            obj.set_unusable_password()
        super().save_model(request, obj, form, change)

    def log_addition(self, request: HttpRequest, obj: User, message: Any) -> Any:
        """Invite them in the same transaction; where passwords are off, they come with the provider."""
        actor = actor_of(request)
        record_admin_change(actor=actor, what="created", subject=obj, changes=message, tells=False)
        account_changes.tell_of_invited(users=[obj], actor=actor)
        obj.invitations = (  # type: ignore[attr-defined]  # for `response_add`
            [] if invitations.why_not(obj) else invitations.invite([obj], actor=actor)
        )
        return super(AuditedAdmin, self).log_addition(request, obj, message)

    def response_add(self, request: HttpRequest, obj: User, post_url_continue: str | None = None) -> HttpResponse:
        answer = super().response_add(request, obj, post_url_continue)
        return invitation_pages.answer(request, self, getattr(obj, "invitations", []), answer)

    @admin.action(description="Invite again, with a new link", permissions=["change"])
    def invite(self, request: HttpRequest, chosen: QuerySet[User]) -> HttpResponse | None:
        """For users who have set no password yet. Links that were sent before end."""
        try:
            invited = invitations.invite(chosen.order_by("pk"), actor=actor_of(request))
        except Conflict as error:
            self.message_user(request, error.message, messages.ERROR)
            return None
        here = HttpResponseRedirect(request.get_full_path())
        return invitation_pages.answer(request, self, invited, here)

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
    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """Django saves the password and its log entry one by one; here both, and the event, or nothing.

        A first password is its user's own business.
        """
        user = self.get_object(request, id)
        if user is not None and not user.has_usable_password():
            why = f"{name_and_login(user)} has set no password yet, and no one else sets a first one. Invite them."
            self.message_user(request, why, messages.ERROR)
            return HttpResponseRedirect(reverse("admin:auth_user_change", args=[user.pk]))
        return super().user_change_password(request, id, form_url)


@admin.register(Group)
class PortalGroupAdmin(AuditedAdmin[Group], GroupAdmin):
    """The three groups are what the rules speak of: they are not renamed, added to or deleted."""

    many, one = "Roles", "role"
    what_for = "What each role lets a user do. A user’s roles are ticked on the user’s page."
    list_display = ["name", "meaning", "members"]
    fields = ["name", "meaning", "members"]
    readonly_fields = ["name", "meaning", "members"]
    filter_horizontal = []
    search_fields = []

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        groups: QuerySet[Group] = super().get_queryset(request).annotate(size=Count("user"))
        return groups

    @admin.display(description="What it lets them do")
    def meaning(self, group: Group) -> str:
        return roles.meaning_of(group.name)

    @admin.display(description="Users", ordering="size")
    def members(self, group: Any) -> SafeString:
        page = f"{reverse('admin:auth_user_changelist')}?groups__id__exact={group.pk}"
        return format_html('<a href="{}">{}</a>', page, counted(group.size, "user"))

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """Offer no button: nothing here can be changed."""
        nothing = dict.fromkeys(("show_save", "show_save_and_continue", "show_save_and_add_another"), False)
        return super().render_change_form(request, {**context, **nothing}, *args, **kwargs)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return False
