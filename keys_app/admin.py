"""Django's admin: leads and Security decide requests, portal admins keep teams, accounts and people."""

from typing import Any

from allauth.account.models import EmailAddress
from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import Case, IntegerField, Model, QuerySet, Value, When
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.decorators import method_decorator

from . import selectors
from .domain.errors import InvalidInput, PortalError
from .domain.permissions import catalogue, look_alike, why_not_a_permission
from .domain.states import RequestState
from .domain.summary import summarize
from .forms import GuardRailsForm, ReasonForm
from .models import Account, ApiKey, CataloguePermission, KeyRequest, Team, TeamMembership
from .services import approvals
from .services.actors import actor_of
from .services.administration import record_admin_change
from .status import history


def _reason(request: HttpRequest) -> str:
    """Return the reason that was typed. Raises `InvalidInput` if there is none, or too much of it."""
    form = ReasonForm(request.POST)
    if not form.is_valid():
        raise InvalidInput("reason", " ".join(form.errors["reason"]))
    return form.cleaned_data["reason"]


def _outcome(key_request: KeyRequest) -> str:
    if key_request.state == RequestState.PENDING:
        return f"Your approval of “{key_request}” is recorded. Security gives the second one."
    return f"“{key_request}” is {key_request.get_state_display().lower()}."


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

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        record_admin_change(actor=actor_of(request), what="created", subject=obj, changes=message)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        record_admin_change(actor=actor_of(request), what="changed", subject=obj, changes=message)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet) -> Any:
        for obj in queryset:
            record_admin_change(actor=actor_of(request), what="deleted", subject=obj, changes=[])
        return super().log_deletions(request, queryset)


admin.site.unregister(EmailAddress)  # the portal signs people in by name
admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class PortalUserAdmin(AuditedAdmin, UserAdmin):
    @method_decorator(transaction.atomic)
    def user_change_password(self, *args: Any, **kwargs: Any) -> HttpResponse:
        """Django saves the password and its log entry one by one; here both, and the event, or nothing."""
        return super().user_change_password(*args, **kwargs)


@admin.register(Group)
class PortalGroupAdmin(AuditedAdmin, GroupAdmin):
    """The three groups are what the rules speak of: they are not renamed, added to or deleted."""

    readonly_fields = ["name"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class MembershipInline(admin.TabularInline):
    model = TeamMembership
    extra = 0
    autocomplete_fields = ["user"]


GUARD_RAILS = ["max_lifetime_days", "max_risk", "allowed_products", "forbidden_permissions"]


@admin.register(Team)
class TeamAdmin(AuditedAdmin):
    form = GuardRailsForm
    fields = ["name", *GUARD_RAILS]
    list_display = ["name", "max_lifetime_days", "max_risk"]
    search_fields = ["name"]
    inlines = [MembershipInline]


@admin.register(Account)
class AccountAdmin(AuditedAdmin):
    """Accounts are connected with `manage.py connect_account`, which checks the credential first."""

    form = GuardRailsForm
    list_display = ["name", "sid", "environment", "is_active", "max_risk"]
    fields = ["sid", "name", "environment", "teams", "is_active", *GUARD_RAILS, "credential_user", "connected_at"]
    readonly_fields = ["sid", "credential_user", "connected_at"]
    filter_horizontal = ["teams"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(KeyRequest)
class KeyRequestAdmin(admin.ModelAdmin):
    """The approver's view: what waits first, and a read-only page with a decision at its end.

    Rights come from `selectors`, not from Django's model permissions, which a superuser always has.
    """

    list_display = [
        "friendly_name",
        "requester",
        "team",
        "account",
        "risk",
        "lifetime",
        "state",
        "created_at",
    ]
    list_filter = ["state", "risk", ("team", admin.RelatedOnlyFieldListFilter), "account__environment"]
    search_fields = ["friendly_name", "purpose", "requester__username", "account__sid"]
    list_select_related = ["requester", "team", "account"]
    list_per_page = 50
    show_full_result_count = False
    actions = None

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return lookup in ("state__exact", "risk__exact", "team__id__exact", "account__environment__exact")

    @admin.display(description="lifetime", ordering="lifetime_days")
    def lifetime(self, key_request: KeyRequest) -> str:
        return f"{key_request.lifetime_days} days"

    def has_module_permission(self, request: HttpRequest) -> bool:
        return selectors.person(request.user).is_approver

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return selectors.person(request.user).is_approver

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[KeyRequest]:
        """Return what this person may decide about, pending first and the oldest of those first."""
        who = selectors.person(request.user)
        requests = selectors.visible_requests(who)
        if not who.is_security:
            requests = requests.filter(team__in=who.led_team_ids)
        pending_first = Case(
            When(state=RequestState.PENDING, then=Value(0)), default=Value(1), output_field=IntegerField()
        )
        return requests.annotate(pending_first=pending_first)

    def get_ordering(self, request: HttpRequest) -> list[str]:
        return ["pending_first", "created_at"]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show one request, and take the decision on it."""
        key_request = self.get_object(request, object_id)
        if key_request is None:
            raise Http404("no such request")
        if request.method == "POST":
            return self._decide(request, key_request)
        return self._page(request, key_request)

    def _decide(self, request: HttpRequest, key_request: KeyRequest) -> HttpResponse:
        decision, reason = request.POST.get("decision"), request.POST.get("reason", "")
        actor = actor_of(request)
        try:
            if decision == "approve":
                digest = request.POST.get("digest", "")
                words = _reason(request) if reason.strip() else ""
                key_request = approvals.approve(request_id=key_request.pk, digest=digest, reason=words, actor=actor)
            elif decision == "reject":
                key_request = approvals.reject(request_id=key_request.pk, reason=_reason(request), actor=actor)
            else:
                raise InvalidInput("decision", "Press Approve or Reject.")
        except PortalError as error:
            status = 422 if isinstance(error, InvalidInput) else 409
            key_request.refresh_from_db()
            return self._page(request, key_request, error=error.message, reason=reason, status=status)
        self.message_user(request, _outcome(key_request))
        return HttpResponseRedirect(reverse("admin:keys_app_keyrequest_changelist"))

    def _page(
        self,
        request: HttpRequest,
        key_request: KeyRequest,
        *,
        error: str = "",
        reason: str = "",
        status: int = 200,
    ) -> HttpResponse:
        why_not = selectors.why_not_decidable(selectors.person(request.user), key_request)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Request “{key_request}”",
            "key_request": key_request,
            "summary": summarize(key_request.policy, selectors.current_catalogue()),
            "diff": key_request.difference,
            "digest": key_request.content_digest,
            "can_decide": not why_not,
            "why_not": why_not,
            "needs_second": selectors.approvals_needed(key_request) == 2,
            "first_approval": key_request.approvals.select_related("approver").first(),
            "error": error,
            "reason_value": reason,
            "timeline": history(request_id=key_request.pk),
            "held": selectors.live_keys_of(key_request.team, key_request.account)[:20],
        }
        template = "admin/keys_app/keyrequest/change_form.html"
        return TemplateResponse(request, template, context, status=status)


class CataloguePermissionForm(forms.ModelForm):
    """An operator's entry in the catalogue, and a way to insist on a name that looks like a slip."""

    spelled_right = forms.BooleanField(
        label="The spelling is right", required=False, help_text="Only needed for a name that is very like another."
    )

    class Meta:
        model = CataloguePermission
        fields = ["name", "meaning", "removed"]
        help_texts = {
            "name": "As Twilio spells it: /twilio/product/resource/action.",
            "meaning": "What the resource is, in a few words that follow “can read …”.",
        }

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        name = data.get("name") or self.instance.pk
        if self.instance._state.adding and name and (trouble := self._trouble(name)):
            self.add_error("name", trouble)
        elif name in catalogue() and not data.get("removed"):
            self.add_error("removed", "The portal has this permission anyway. Tick this, or do without the entry.")
        return data

    def _trouble(self, name: str) -> str:
        if trouble := why_not_a_permission(name):
            return trouble
        twin = "" if self.cleaned_data.get("spelled_right") else look_alike(name, selectors.current_catalogue())
        return twin and f"This is very like {twin}, which the portal has. If it is right, tick “The spelling is right”."


@admin.register(CataloguePermission)
class CataloguePermissionAdmin(AuditedAdmin):
    """Permissions that the package does not have, or that Twilio removed."""

    form = CataloguePermissionForm
    list_display = ["name", "meaning", "removed"]
    list_filter = ["removed"]
    search_fields = ["name", "meaning"]

    def get_fields(self, request: HttpRequest, obj: CataloguePermission | None = None) -> list[str]:
        return ["name", "meaning", "removed", "in_use" if obj else "spelled_right"]

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
        open_requests = KeyRequest.objects.filter(state__in=selectors.OPEN_REQUESTS, **holds)
        return open_requests.count() + ApiKey.objects.filter(state__in=selectors.LIVE_KEYS, **holds).count()

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        """Add what was saved: the ledger has to tell a removal from its undoing."""
        saved = {"meaning": form.instance.meaning, "removed": form.instance.removed}
        return [*super().construct_change_message(request, form, formsets, add), {"saved": saved}]
