"""The list of requests as leads and Security decide them: its columns, filters and order."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import Case, IntegerField, Model, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils import timezone

from keys_app.admin.audited import ModelAdmin
from keys_app.core.actor import name_and_login
from keys_app.core.text import counted
from keys_app.key_requests import deciders
from keys_app.key_requests.models import KeyRequest
from keys_app.key_requests.queries import requests_to_oversee
from keys_app.key_requests.states import RequestState
from keys_app.organisation import access
from keys_app.organisation.models import Account, Team
from keys_app.views.http import moments
from keys_app.views.http.signed_in import signed_in

from . import bulk, decision

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    from keys_app.key_requests.queries import RequestNotes


class AgeFilter(admin.SimpleListFilter):
    """How long a request has waited, or how old it is."""

    title = "age"
    parameter_name = "age"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("1", "Over a day"), ("3", "Over 3 days"), ("7", "Over a week")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[KeyRequest]) -> QuerySet[KeyRequest]:
        if self.value() not in ("1", "3", "7"):
            return queryset
        return queryset.filter(created_at__lt=timezone.now() - timedelta(days=int(self.value() or 0)))


class SeenFilter(admin.SimpleListFilter):
    """One of the teams or accounts of the requests this person sees, looked up once for a page."""

    parameter_name: str
    rows: QuerySet[Account] | QuerySet[Team]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        remembered = f"_seen_{self.parameter_name}"
        if not hasattr(request, remembered):
            seen = requests_to_oversee(access.person(signed_in(request))).order_by()
            rows = self.rows.filter(pk__in=seen.values(self.parameter_name))
            setattr(request, remembered, [(str(pk), name) for pk, name in rows.values_list("pk", "name")])
        seen_by_name: list[tuple[str, str]] = getattr(request, remembered)
        return seen_by_name

    def queryset(self, request: HttpRequest, queryset: QuerySet[KeyRequest]) -> QuerySet[KeyRequest]:
        chosen = self.value()
        known = {value for value, _ in self.lookup_choices}
        return queryset.filter(**{self.parameter_name: chosen}) if chosen in known else queryset


class AccountFilter(SeenFilter):
    """The accounts of the requests this person sees."""

    title = "account"
    parameter_name = "account"
    rows = Account.objects.all()


class TeamFilter(SeenFilter):
    """The teams of the requests this person sees."""

    title = "team"
    parameter_name = "team"
    rows = Team.objects.all()


class TurnFilter(admin.SimpleListFilter):
    """What is this person's to do now."""

    title = "your turn"
    parameter_name = "yours"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("decide", "Decide"), ("review", "Review a broken glass")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[KeyRequest]) -> QuerySet[KeyRequest]:
        who = access.person(signed_in(request))
        todo = {"decide": deciders.waiting_for, "review": deciders.reviewable}.get(self.value() or "")
        return queryset.filter(pk__in=todo(who).order_by().values("pk")) if todo else queryset


@admin.register(KeyRequest)
class KeyRequestAdmin(ModelAdmin[KeyRequest]):
    """The approver's list: what waits first, the oldest of it on top. One request's page is in `decision`.

    Rights come from `deciders` and `access`, not from Django's model permissions, which a superuser always has.
    """

    list_display = [
        "friendly_name",
        "what_for",
        "who",
        "team",
        "shown_risk",
        "where",
        "lifetime",
        "since",
        "status",
    ]
    list_filter = [
        TurnFilter,
        "state",
        "risk",
        TeamFilter,
        AccountFilter,
        "account__environment",
        AgeFilter,
    ]
    search_fields = ["friendly_name", "purpose", "requester__username", "requester__first_name",
                     "requester__last_name", "account__sid", "account__name", "ticket_url", "incident"]  # fmt: skip
    list_select_related = ["requester", "team", "account"]
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.ALWAYS
    actions = ["approve_several"]
    actions_selection_counter = True

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        filters = [item for item in self.list_filter if isinstance(item, type)]
        own = [item.parameter_name for item in filters if issubclass(item, admin.SimpleListFilter)]
        return lookup in ("state__exact", "risk__exact", "account__environment__exact", *own)

    @admin.display(description="requester", ordering="requester__username")
    def who(self, key_request: KeyRequest) -> str:
        return name_and_login(key_request.requester)

    @admin.display(description="what for")
    def what_for(self, key_request: KeyRequest) -> str:
        text = " ".join(key_request.purpose.split())
        return text if len(text) <= 80 else f"{text[:79]}…"

    @admin.display(description="account", ordering="account__name")
    def where(self, key_request: KeyRequest) -> str:
        return str(key_request.account)

    @admin.display(description="risk", ordering="risk")
    def shown_risk(self, key_request: KeyRequest) -> str:
        return decision.risk_mark(key_request.rated_risk)

    @admin.display(description="lifetime", ordering="lifetime_days")
    def lifetime(self, key_request: KeyRequest) -> str:
        return counted(key_request.lifetime_days, "day")

    @admin.display(description="waiting since", ordering="created_at")
    def since(self, key_request: KeyRequest) -> str:
        return moments.element(key_request.created_at, beside=key_request.state == RequestState.PENDING)

    @admin.display(description="state", ordering="state")
    def status(self, key_request: "WithAnnotations[KeyRequest, RequestNotes]") -> str:
        return decision.state_mark(key_request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return access.person(signed_in(request)).is_approver

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return access.person(signed_in(request)).is_approver

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[KeyRequest]:
        """Return what this person may decide about: broken glass that nobody reviewed, then what is pending."""
        turn = Case(
            When(unreviewed=True, then=Value(0)),
            When(state=RequestState.PENDING, then=Value(1)),
            default=Value(2),
            output_field=IntegerField(),
        )
        return requests_to_oversee(access.person(signed_in(request))).annotate(turn=turn)

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return ("turn", "created_at")

    def get_urls(self) -> list[Any]:
        approve = self.admin_site.admin_view(self.several_view)
        return [path("several/", approve, name="keys_app_keyrequest_several"), *super().get_urls()]

    def response_action(  # type: ignore[override]  # the stubs are of a later Django
        self, request: HttpRequest, queryset: QuerySet[KeyRequest]
    ) -> HttpResponse | None:
        """Do what was chosen with what was ticked, unless something of that is no request's number."""
        if not all(map(bulk.as_uuid, request.POST.getlist(ACTION_CHECKBOX_NAME))):
            self.message_user(request, "What was ticked can’t be read, so nothing was done.", messages.ERROR)
            return None
        return super().response_action(request, queryset)

    @admin.action(description="Read and approve together (low risk only)")
    def approve_several(self, request: HttpRequest, queryset: QuerySet[KeyRequest]) -> HttpResponse:
        chosen = urlencode([("id", str(pk)) for pk in queryset.values_list("pk", flat=True)])
        return HttpResponseRedirect(f"{reverse('admin:keys_app_keyrequest_several')}?{chosen}")

    def several_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return bulk.view(request, self)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return super().changelist_view(request, {"title": "Requests to decide", **(extra_context or {})})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show one request, and take the decision on it."""
        return decision.view(request, self, self.get_object(request, object_id))
