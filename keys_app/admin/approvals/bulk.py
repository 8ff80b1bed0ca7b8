"""Approving several low-risk requests on one page that shows every policy."""

import uuid
from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse

from keys_app.catalogue import current
from keys_app.key_requests import decide, deciders, turn
from keys_app.key_requests.deciders import DecisionDue
from keys_app.key_requests.models import KeyRequest
from keys_app.keys.same_names import twins_of
from keys_app.organisation import access
from keys_app.permissions.describe import summarize
from keys_app.permissions.risk import Risk
from keys_app.views.http.actor import actor_of
from keys_app.views.http.signed_in import signed_in

from .decision import list_url

LIMIT = 20


def view(request: HttpRequest, admin: "ModelAdmin[KeyRequest]") -> HttpResponse:
    """List the chosen requests with their policies (GET), or approve those left ticked (POST), each by itself."""
    if request.method == "POST":
        return _approve(request, admin)
    found = _chosen(request, admin)
    due = deciders.decisions_due(found)
    chosen = [(item, _why_left_out(request, item, due)) for item in found]
    fit = [item for item, why in chosen if not why]
    known, who = current.current_catalogue(), access.person(signed_in(request))
    context: dict[str, Any] = {
        **admin.admin_site.each_context(request),
        "opts": admin.opts,
        "title": "Approve low-risk requests together",
        "items": [
            {"key_request": item, "summary": summarize(item.policy, known), "twins": twins_of(item, who)}
            for item in fit[:LIMIT]
        ],
        "list_url": list_url(request, admin),
        "left_out": [(item, why) for item, why in chosen if why],
        "too_many": len(fit) > LIMIT,
        "limit": LIMIT,
    }
    return TemplateResponse(request, "admin/keys_app/keyrequest/several.html", context)


def _chosen(request: HttpRequest, admin: "ModelAdmin[KeyRequest]") -> list[KeyRequest]:
    """Return the requests of the address that this person may see, the oldest first."""
    ids = [pk for text in request.GET.getlist("id")[:200] if (pk := as_uuid(text))]
    return list(admin.get_queryset(request).filter(pk__in=ids).order_by("created_at"))


def as_uuid(text: str) -> uuid.UUID | None:
    """Return the request's number that a text is; None if it is none."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def _why_left_out(request: HttpRequest, key_request: KeyRequest, due: Mapping[uuid.UUID, DecisionDue]) -> str:
    if key_request.rated_risk != Risk.LOW:
        return f"{key_request.rated_risk.capitalize()} risk: decide it on its own page."
    why_not = turn.why_not_decidable(access.person(signed_in(request)), key_request, due)
    return why_not or decide.why_not_approvable(key_request)


def _approve(request: HttpRequest, admin: "ModelAdmin[KeyRequest]") -> HttpResponse:
    ticked = [pk for text in request.POST.getlist("approve")[:LIMIT] if (pk := as_uuid(text))]
    shown = [(pk, request.POST.get(f"digest-{pk}", "")) for pk in ticked]
    seen = set(admin.get_queryset(request).filter(pk__in=ticked).values_list("pk", flat=True))
    outcome = decide.approve_several(
        shown=[(pk, digest) for pk, digest in shown if pk in seen], actor=actor_of(request)
    )
    for key_request, problem in outcome:
        if problem:
            admin.message_user(request, f"“{key_request}” was not approved: {problem}", messages.ERROR)
        else:
            admin.message_user(request, f"You approved “{key_request}”.", messages.SUCCESS)
    if not outcome:
        admin.message_user(request, "Nothing was ticked, so nothing was approved.", messages.WARNING)
    return HttpResponseRedirect(list_url(request, admin))
