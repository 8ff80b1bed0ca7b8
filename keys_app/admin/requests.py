"""Where leads and Security decide requests."""

import uuid
from contextlib import suppress
from typing import Any

from django.contrib import admin
from django.db.models import Case, IntegerField, Model, QuerySet, Value, When
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from .. import selectors
from ..domain.errors import InvalidInput, PortalError
from ..domain.states import RequestState
from ..domain.summary import summarize
from ..forms import ReasonForm
from ..models import KeyRequest
from ..services import approvals
from ..services.actors import actor_of
from ..services.refusing import note_refusal
from ..status import history


def _reason(request: HttpRequest) -> str:
    """Return the reason that was typed. Raises `InvalidInput` if there is none, or too much of it."""
    form = ReasonForm(request.POST)
    if not form.is_valid():
        raise InvalidInput("reason", " ".join(form.errors["reason"]))
    return form.cleaned_data["reason"]


def _note_refusal(request: HttpRequest, object_id: str) -> None:
    with suppress(ValueError):  # nobody has a request of that name
        note_refusal(actor_of(request), KeyRequest, uuid.UUID(object_id))


def _outcome(key_request: KeyRequest) -> str:
    if key_request.state == RequestState.PENDING:
        return f"Your approval of “{key_request}” is recorded. Security gives the second one."
    return f"“{key_request}” is {key_request.get_state_display().lower()}."


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
            _note_refusal(request, object_id)
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
