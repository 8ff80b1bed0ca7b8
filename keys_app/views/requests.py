"""Asking for a key, following the request, and issuing the key."""

import uuid

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from .. import selectors
from ..domain.errors import InvalidInput, NotAllowed, PortalError
from ..domain.naming import MAX_NAME
from ..domain.policy import MAX_PERMISSIONS
from ..domain.risk import explain
from ..domain.states import RequestState
from ..forms import RequestForm
from ..models import KeyRequest
from ..services import issuing
from ..services import requests as request_service
from ..services.actors import actor_of
from ..status import request_history, request_status
from .pages import newest_first
from .picker import SEARCH_LIMIT, chosen_policy, picker, unknown_names
from .problems import problem
from .snippets import curl_for


@require_safe
def request_list(request: HttpRequest) -> HttpResponse:
    who = selectors.person(request.user)
    rows, next_url = newest_first(request, selectors.visible_requests(who), "created_at")
    context = {"requests": rows, "next_url": next_url, "shows_others": who.is_approver}
    return render(request, "portal/request_list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def request_new(request: HttpRequest) -> HttpResponse:
    """Show the form; with a valid POST store the request and go to its page."""
    who = selectors.person(request.user)
    searching = "search_only" in request.POST
    if request.method != "POST":
        return _request_form(request, RequestForm(who))
    if searching:
        return _request_form(request, RequestForm(who, initial=_typed(request)))
    form = RequestForm(who, data=request.POST)
    if not form.is_valid():
        return _request_form(request, form, status=422)
    values = form.cleaned_data
    try:
        key_request = request_service.create_request(
            actor=actor_of(request),
            account=values["account"],
            team=values["team"],
            friendly_name=values["friendly_name"],
            purpose=values["purpose"],
            ticket_url=values["ticket_url"],
            lifetime_days=values["lifetime_days"],
            policy=values["permissions"],
        )
    except (InvalidInput, NotAllowed) as error:
        form.add_error(getattr(error, "field", None), error.message)
        return _request_form(request, form, status=422)
    return redirect(key_request)


def _typed(request: HttpRequest) -> dict[str, object]:
    """Return what was typed so far, to show it again without judging it."""
    return {**request.POST.dict(), "permissions": request.POST.getlist("permissions")}


def _request_form(request: HttpRequest, form: RequestForm, status: int = 200) -> HttpResponse:
    chosen = request.POST.getlist("permissions")
    search = request.POST.get("search", request.GET.get("search", ""))[:SEARCH_LIMIT]
    policy = chosen_policy(chosen)
    context = {
        "form": form,
        "picker": picker(chosen, search if "search_only" in request.POST or request.method != "POST" else ""),
        "unknown": unknown_names(chosen),
        "search": search,
        "selected_count": len(policy),
        "max_permissions": MAX_PERMISSIONS,
        "name_max": MAX_NAME,
        "policy_json": policy.pretty_json() if len(policy) else "",
    }
    return render(request, "portal/request_form.html", context, status=status)


def _visible(request: HttpRequest, request_id: uuid.UUID) -> KeyRequest:
    """Return the request if this person may see it. Raises `Http404` otherwise."""
    who = selectors.person(request.user)
    return get_object_or_404(selectors.visible_requests(who), pk=request_id)


@require_safe
def request_detail(request: HttpRequest, request_id: uuid.UUID) -> HttpResponse:
    key_request = _visible(request, request_id)
    issuances = list(key_request.issuances.order_by("number"))
    own = key_request.requester_id == request.user.pk
    state = key_request.state
    context = {
        "key_request": key_request,
        "status": request_status(key_request, issuances[-1] if issuances else None),
        "reasons": explain(key_request.policy),
        "can_issue": own and state in (RequestState.APPROVED, RequestState.FAILED),
        "can_cancel": own and state in (RequestState.PENDING, RequestState.APPROVED, RequestState.FAILED),
        "timeline": request_history(key_request, issuances),
        "key": key_request.keys.first(),
    }
    return render(request, "portal/request_detail.html", context)


@require_POST
def request_cancel(request: HttpRequest, request_id: uuid.UUID) -> HttpResponse:
    key_request = _visible(request, request_id)
    try:
        request_service.cancel_request(key_request=key_request, actor=actor_of(request))
    except PortalError as error:
        return _problem(request, key_request, error)
    return redirect(key_request)


def _problem(request: HttpRequest, key_request: KeyRequest, error: PortalError) -> HttpResponse:
    back = key_request.get_absolute_url()
    return problem(request, error, back_url=back, back_label="Back to the request")


@require_POST
@sensitive_variables("issued")
def request_issue(request: HttpRequest, request_id: uuid.UUID) -> HttpResponse:
    """Issue the key and show its secret in this very answer.

    There is no redirect after this POST on purpose: whatever would carry the secret to another
    answer (session, message, cache, address) would store it.
    """
    key_request = _visible(request, request_id)
    try:
        issued = issuing.issue_key(request_id=key_request.pk, actor=actor_of(request))
    except PortalError as error:
        return _problem(request, key_request, error)
    curl, note = curl_for(issued.key)
    context = {"key": issued.key, "secret": issued.secret, "curl_command": curl, "curl_note": note}
    template = "portal/partials/issued_dialog.html" if request.htmx else "portal/issued.html"
    return render(request, template, context)
