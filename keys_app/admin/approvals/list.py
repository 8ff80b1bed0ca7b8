"""The list of requests as leads and Security decide them: it opens on what is theirs to decide."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse

from keys_app.admin.audited import ModelAdmin
from keys_app.key_requests import deciders
from keys_app.key_requests.models import KeyRequest
from keys_app.key_requests.queries import requests_to_oversee
from keys_app.key_requests.states import RequestState
from keys_app.key_requests.turn import note_turns, turns_of_each
from keys_app.organisation import access
from keys_app.permissions.risk import Risk
from keys_app.views.http.listing import EXACT
from keys_app.views.http.signed_in import signed_in

from . import bulk, decision
from .kinds import APPROVALS, HISTORY, TABS, YOURS

OLD_NAMES = {
    "yours": "show",
    "state__exact": "state",
    "risk__exact": "risk",
    "account__environment__exact": "environment",
}
"""What filters were called before 0.9.6: bookmarks and old mails have them."""


@dataclass(frozen=True, slots=True)
class Tab:
    """One of the lists an approver may look at, and its address with the filters of this one."""

    title: str
    url: str
    is_current: bool
    count: str = ""


def ids_to_decide(who: access.Person) -> list[object]:
    """Return the requests that are this person's to decide or to review, at most a little over a thousand."""
    waiting = deciders.waiting_for(who).values_list("pk", flat=True)[: EXACT + 1]
    return [*waiting, *deciders.reviewable(who).values_list("pk", flat=True)[: EXACT + 1]]


def narrowed(rows: QuerySet[Any], tab: str, yours: list[object]) -> QuerySet[Any]:
    """Return those of the requests that a tab shows."""
    match tab:
        case "yours":
            return rows.filter(pk__in=yours)
        case "waiting":
            return rows.filter(state=RequestState.PENDING).exclude(pk__in=yours)
        case "decided":
            return rows.exclude(state=RequestState.PENDING)
    return rows


def tab_of(asked: Mapping[str, str]) -> str:
    """Return the tab an address asks for; who asks for a state means all of that state."""
    shown = asked.get("show", "")
    return shown if shown in TABS else "all" if asked.get("state") else YOURS


@admin.register(KeyRequest)
class KeyRequestAdmin(ModelAdmin[KeyRequest]):
    """The approver's list, which is one of the portal's own, not Django's. One request's page is in `decision`.

    Rights come from `deciders` and `access`, not from Django's model permissions, which a superuser always has.
    """

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
        """Return the requests of the teams this person decides for, all of them for Security."""
        return requests_to_oversee(access.person(signed_in(request)))

    def get_urls(self) -> list[Any]:
        approve = self.admin_site.admin_view(self.several_view)
        return [path("several/", approve, name="keys_app_keyrequest_several"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the list, or go on to the page of several with what was ticked."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            return self._chosen(request)
        if OLD_NAMES.keys() & request.GET.keys():
            return HttpResponseRedirect(_renamed(request))
        return self._page(request)

    def _chosen(self, request: HttpRequest) -> HttpResponse:
        """Lead to what was ticked, as a script sends it: `action=approve_several` and `_selected_action`."""
        ticked = request.POST.getlist(ACTION_CHECKBOX_NAME)
        if request.POST.get("action") != "approve_several" or not ticked:
            self.message_user(request, "Nothing was ticked, so nothing was done.", messages.WARNING)
        elif not all(map(bulk.as_uuid, ticked)):
            self.message_user(request, "What was ticked can’t be read, so nothing was done.", messages.ERROR)
        else:
            kept = [("_changelist_filters", request.GET.urlencode())] if request.GET else []
            chosen = urlencode([*(("id", one) for one in ticked), *kept])
            return HttpResponseRedirect(f"{reverse('admin:keys_app_keyrequest_several')}?{chosen}")
        return HttpResponseRedirect(request.get_full_path())

    def _page(self, request: HttpRequest) -> HttpResponse:
        who, tab = access.person(signed_in(request)), tab_of(request.GET.dict())
        yours = ids_to_decide(who)
        rows = narrowed(self.get_queryset(request), tab, yours)
        listing = (HISTORY if tab in ("decided", "all") else APPROVALS).page(request, rows, who)  # type: ignore[arg-type]
        note_turns(listing.rows, turns_of_each(listing.rows), who.user)
        low = [one.pk for one in listing.rows if one.state == RequestState.PENDING and one.rated_risk == Risk.LOW]
        count = f"{len(yours):,}" if len(yours) <= EXACT else f"{EXACT:,}+"
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Approvals",
            "listing": listing,
            "tab": tab,
            "tabs": [
                Tab(title, _tab_url(listing.address, name), name == tab, count if name == YOURS and yours else "")
                for name, title in TABS.items()
            ],
            "together": low if tab == YOURS else [],
            "kept": self.get_preserved_filters(request),
            "filters": request.GET.urlencode(),
        }
        return TemplateResponse(request, "admin/keys_app/keyrequest/approvals.html", context)

    def several_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return bulk.view(request, self)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show one request, and take the decision on it."""
        return decision.view(request, self, self.get_object(request, object_id))


def _tab_url(address: Any, name: str) -> str:
    return str(address(show="" if name == YOURS else name, state="", sort=""))


def _renamed(request: HttpRequest) -> str:
    """Return the address with the filters as they are called now."""
    asked = {OLD_NAMES.get(name, name): value for name, value in request.GET.items() if name != "yours"}
    return f"{request.path}?{urlencode(asked)}" if asked else request.path
