"""Asking for a key, following the request, and issuing the key."""

import uuid
from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_safe

from keys_app.catalogue import current
from keys_app.core.errors import PortalError
from keys_app.forms import CommentForm
from keys_app.key_requests import comments, nudge, submit
from keys_app.key_requests.models import KeyRequest
from keys_app.key_requests.queries import (
    OPEN_REQUESTS,
    TO_PRESS,
    can_cancel,
    can_send_changed,
    is_discussed,
    may_comment,
    may_copy,
    visible_requests,
)
from keys_app.key_requests.states import RequestState
from keys_app.key_requests.told import told_of
from keys_app.key_requests.turn import Todo, note_turns, turns_of, turns_of_each
from keys_app.keys import issue
from keys_app.keys.same_names import twins_of
from keys_app.organisation import access
from keys_app.permissions.describe import summarize
from keys_app.users.limits import TooMany
from keys_app.views.http.access import visible_or_404
from keys_app.views.http.actor import actor_of
from keys_app.views.http.decorators import post_or_go_back
from keys_app.views.http.drafts import given_back
from keys_app.views.http.fresh import needs_fresh
from keys_app.views.http.problem import problem, with_wait
from keys_app.views.http.signed_in import SignedInRequest
from keys_app.wording import history, page_title, request_status

from .lists import REQUESTS
from .snippets import snippets_for

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    from keys_app.key_requests.queries import RequestNotes


@require_safe
def request_list(request: SignedInRequest) -> HttpResponse:
    """Show the requests this person may see; `lists.REQUESTS` says how they are searched, narrowed and sorted."""
    who = access.person(request.user)
    listing = REQUESTS.page(request, visible_requests(who), who)
    note_turns(listing.rows, turns_of_each(listing.rows), who.user)
    context = {"listing": listing, "shows_others": who.is_approver}
    return render(request, "portal/request_list.html", context)


def _visible(request: SignedInRequest, request_id: uuid.UUID) -> "WithAnnotations[KeyRequest, RequestNotes]":
    """Return the request if this person may see it. Raises `Http404` otherwise."""
    who = access.person(request.user)
    return visible_or_404(request, visible_requests(who), request_id)


@require_safe
def request_detail(request: SignedInRequest, request_id: uuid.UUID) -> HttpResponse:
    """Show one request: its state, what it asks for, its thread and its history."""
    typed = given_back(request, reverse("portal:request_comment", args=[request_id]))
    return _request_page(request, _visible(request, request_id), CommentForm(initial=typed.each()))


def _request_page(
    request: SignedInRequest,
    key_request: "WithAnnotations[KeyRequest, RequestNotes]",
    form: CommentForm,
    status: int = 200,
) -> HttpResponse:
    issuances = list(key_request.issuances.select_related("key").order_by("number"))
    keys = [one.key for one in issuances if hasattr(one, "key")]
    own = key_request.requester_id == request.user.pk
    key = keys[-1] if keys and key_request.state == RequestState.ISSUED else None
    who = access.person(request.user)
    to_press = own and key_request.state in TO_PRESS
    why_not_issue = issue.why_not_issuable(key_request, keys, who) if to_press else ""
    turns = turns_of(key_request)
    told = told_of(key_request, turns)
    status_now = request_status(key_request, issuances[-1] if issuances else None, key, turns, request.user)
    context = {
        "key_request": key_request,
        "title": page_title(key_request, turns, request.user),
        "status": status_now,
        "poll_every": status_now.poll_every(waits=key_request.state in OPEN_REQUESTS),
        "told": told,
        "to_answer": any(one.todo == Todo.ANSWER and one.is_of(request.user) for one in turns),
        "nudge": nudge.offered(key_request, turns, told, request.user),
        "review": next((one for one in turns if one.todo == Todo.REVIEW), None),
        "summary": summarize(key_request.policy, current.current_catalogue()),
        "diff": key_request.difference,
        "narrowings": key_request.narrowings.select_related("approver"),
        "comments": key_request.comments.select_related("author"),
        "comment_form": form,
        "can_comment": is_discussed(key_request) and may_comment(who, key_request),
        "can_issue": to_press and not why_not_issue,
        "why_not_issue": why_not_issue,
        "can_cancel": own and can_cancel(key_request),
        "can_send_changed": can_send_changed(who, key_request),
        "twins": twins_of(key_request, who),
        "can_copy": may_copy(who, key_request),
        "can_oversee": not own and who.is_approver,
        "timeline": history(request_id=key_request.pk),
        "key": key,
    }
    return render(request, "portal/request_detail.html", context, status=status)


@post_or_go_back
def request_comment(request: SignedInRequest, request_id: uuid.UUID) -> HttpResponse:
    """Add to the request's thread."""
    key_request = _visible(request, request_id)
    form = CommentForm(request.POST)
    if not form.is_valid():
        return _request_page(request, key_request, form, status=422)
    try:
        comments.add_comment(key_request=key_request, text=form.cleaned_data["comment"], actor=actor_of(request))
    except TooMany as error:
        form.add_error("comment", error.message)
        return with_wait(_request_page(request, key_request, form), error)
    except PortalError as error:
        return _problem(request, key_request, error)
    return redirect(key_request.get_absolute_url() + "#thread")


@post_or_go_back
def request_nudge(request: SignedInRequest, request_id: uuid.UUID) -> HttpResponse:
    """Remind those who may decide the request, as its requester."""
    key_request = _visible(request, request_id)
    try:
        said = nudge.send_reminder(key_request=key_request, actor=actor_of(request))
    except PortalError as error:
        return _problem(request, key_request, error)
    messages.success(request, said)
    return redirect(key_request)


@post_or_go_back
def request_cancel(request: SignedInRequest, request_id: uuid.UUID) -> HttpResponse:
    """Cancel a request, as its requester."""
    key_request = _visible(request, request_id)
    try:
        submit.cancel_request(key_request=key_request, actor=actor_of(request))
    except PortalError as error:
        return _problem(request, key_request, error)
    return redirect(key_request)


def _problem(request: SignedInRequest, key_request: KeyRequest, error: PortalError) -> HttpResponse:
    back = key_request.get_absolute_url()
    return problem(request, error, back_url=back, back_label="Back to the request")


@post_or_go_back
@needs_fresh
@sensitive_variables("issued")
def request_issue(request: SignedInRequest, request_id: uuid.UUID) -> HttpResponse:
    """Issue the key and show its secret in this very answer.

    There is no redirect after this POST on purpose: whatever would carry the secret to another
    answer (session, message, cache, address) would store it.
    """
    own = KeyRequest.objects.select_related("requester", "team", "account").filter(requester=request.user)
    in_dialog = own.filter(pk=request_id).first() if request.htmx else None  # a page shows more, and asks it first
    key_request = in_dialog or _visible(request, request_id)
    try:
        issued = issue.issue_key(key_request=key_request, actor=actor_of(request))
    except PortalError as error:
        return _problem(request, key_request, error)
    context = {"key": issued.key, "secret": issued.secret, "snippets": snippets_for(issued.key)}
    template = "portal/partials/issued_dialog.html" if request.htmx else "portal/issued.html"
    return render(request, template, context)
