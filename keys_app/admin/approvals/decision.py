"""One request as its approver sees it, and the decision on it."""

import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core import signing
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html

from keys_app.catalogue import current
from keys_app.core.actor import Actor
from keys_app.core.errors import Conflict, InvalidInput, PortalError
from keys_app.key_requests import comments, decide, deciders, reopen, turn
from keys_app.key_requests.approval_policy import ApprovalRequirement
from keys_app.key_requests.models import KeyRequest
from keys_app.key_requests.queries import is_discussed, may_comment
from keys_app.key_requests.states import RequestState
from keys_app.keys.models import ApiKey
from keys_app.keys.queries import keys_held
from keys_app.keys.same_names import twins_of
from keys_app.organisation import access
from keys_app.organisation.drafts import Fields
from keys_app.permissions.describe import summarize
from keys_app.permissions.policy import Difference, Policy
from keys_app.permissions.presets import find_template
from keys_app.permissions.risk import Risk
from keys_app.users.limits import TooMany
from keys_app.views.http.access import note_refusal
from keys_app.views.http.actor import actor_of
from keys_app.views.http.drafts import given_back
from keys_app.views.http.fresh import require_fresh
from keys_app.views.http.problem import with_wait
from keys_app.views.http.signed_in import signed_in
from keys_app.wording import history, page_title

from .kinds import APPROVALS

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    from keys_app.key_requests.queries import RequestNotes

SHOWN = "keys_app.admin.shown"
"""Salt of the note that somebody has seen a request, which lets the portal say why it is not theirs any more."""
KEYS_SHOWN = 20


@dataclass
class FormState:
    """What was typed, and what is wrong with it and where, for showing the page again."""

    error: str = ""
    field: str = ""
    reason: str = ""
    question: str = ""
    keep: list[str] | None = None
    lifetime_days: str = ""
    withdrawing: bool = False


@dataclass(frozen=True, slots=True)
class ExistingKey:
    """A live key on the same account, and which of the requested permissions it holds already."""

    key: ApiKey
    shared: tuple[str, ...] = field(default=())
    own: bool = False


def view(request: HttpRequest, admin: "ModelAdmin[KeyRequest]", key_request: KeyRequest | None) -> HttpResponse:
    """Show the request (GET) or take a decision (POST). Raises `Http404` for who may not see it."""
    if key_request is None:
        return _not_theirs_any_more(request)
    if request.method != "POST":
        return _page(request, admin, key_request, _draft(given_back(request, request.path), key_request))
    if request.POST.get("decision") in ("approve", "narrow") and key_request.rated_risk != Risk.LOW:
        require_fresh(request)
    try:
        done = _take(request.POST, key_request, actor_of(request))
    except PortalError as error:
        key_request = admin.get_queryset(request).get(pk=key_request.pk)
        if isinstance(error, InvalidInput) and (closed := _closed_meanwhile(request, key_request)):
            error = Conflict(closed)  # what is wrong with the form does not matter any more
        status = 422 if isinstance(error, InvalidInput) else 409
        return with_wait(_page(request, admin, key_request, _typed(request.POST, error), status=status), error)
    return _onward(request, admin, key_request, done)


def _onward(request: HttpRequest, admin: "ModelAdmin[KeyRequest]", key_request: KeyRequest, done: str) -> HttpResponse:
    """Say what was done, and go on to the next request that is this person's to decide; without one, to the list.

    The filters of the list they came from go with them, and the next is one of that list. A question leads back to its
    request, a withdrawal to the list.
    """
    decision, who = request.POST.get("decision", ""), access.person(signed_in(request))
    ended = decision in ("approve", "narrow", "reject", "review")
    among = _among(request, admin, who) if ended else None
    following = deciders.next_for(who, key_request, among) if ended else None
    here = key_request if decision == "ask" else following
    page = reverse("admin:keys_app_keyrequest_change", args=[key_request.pk])
    if following:
        words = '{} <a href="{}">Open it again</a>. Next: “{}”.'
        done = format_html(words, done, page, following)
    elif ended:
        done = f"{done} Nothing else {'in this list ' if among is not None else ''}waits for you."
    admin.message_user(request, done, messages.SUCCESS)
    return HttpResponseRedirect(_change_url(request, admin, here) if here else list_url(request, admin))


def _among(request: HttpRequest, admin: "ModelAdmin[KeyRequest]", who: access.Person) -> QuerySet[KeyRequest] | None:
    """Return the requests of the list they came from as its address narrows them; None where it does not."""
    asked = QueryDict(_kept_filters(request, admin)).dict()
    if not asked.keys() - {"show", "sort", "rows", "after", "before"}:
        return None
    seen = admin.get_queryset(request)
    rows, words, controls = APPROVALS.narrowed(seen, {**asked, "show": ""}, who, seen)
    return rows if words or any(one.is_active for one in controls) else None


def _kept_filters(request: HttpRequest, admin: "ModelAdmin[KeyRequest]") -> str:
    return QueryDict(admin.get_preserved_filters(request)).get("_changelist_filters") or ""


def list_url(request: HttpRequest, admin: "ModelAdmin[KeyRequest]") -> str:
    """Return the address of the list, with the filters it had when this person left it."""
    kept = _kept_filters(request, admin)
    address = reverse("admin:keys_app_keyrequest_changelist")
    return f"{address}?{kept}" if kept else address


def _change_url(request: HttpRequest, admin: "ModelAdmin[KeyRequest]", key_request: KeyRequest) -> str:
    page, kept = (
        reverse("admin:keys_app_keyrequest_change", args=[key_request.pk]),
        admin.get_preserved_filters(request),
    )
    return f"{page}?{kept}" if kept else page


def _not_theirs_any_more(request: HttpRequest) -> HttpResponse:
    """Say so to somebody who was shown the request before; to anybody else it does not exist."""
    try:
        person_id, name = signing.loads(request.POST.get("shown", ""), salt=SHOWN)
    except signing.BadSignature:
        person_id, name = None, ""
    if person_id != request.user.pk:
        object_id = request.resolver_match.kwargs.get("object_id", "") if request.resolver_match else ""
        with suppress(ValueError):  # nobody has a request of that name
            note_refusal(actor_of(request), KeyRequest, uuid.UUID(object_id))
        raise Http404("no such request")
    context = {
        "title": "Nothing was recorded",
        "message": f"You no longer decide for the team of “{name}”. Your rights changed after you opened it.",
        "back_url": reverse("admin:keys_app_keyrequest_changelist"),
        "back_label": "Back to the approvals",
    }
    return TemplateResponse(request, "portal/problem.html", context, status=409)


def _closed_meanwhile(request: HttpRequest, key_request: KeyRequest) -> str:
    """Return why a decision is no longer this person's to take; empty for a question, or if it is."""
    if request.POST.get("decision") not in ("approve", "reject", "narrow"):
        return ""
    why_not = turn.why_not_decidable(access.person(signed_in(request)), key_request)
    return f"{why_not} Your decision was not recorded." if why_not else ""


def _take(posted: QueryDict, key_request: KeyRequest, actor: Actor) -> str:
    """Carry out the decision whose button was pressed; return what to say. Raises `PortalError`."""
    pk, digest, reason = key_request.pk, posted.get("digest", ""), posted.get("reason", "").strip()
    match posted.get("decision"):
        case "approve":
            return _outcome(decide.approve(request_id=pk, digest=digest, reason=reason, actor=actor))
        case "reject":
            return _outcome(decide.reject(request_id=pk, reason=reason, actor=actor))
        case "narrow":
            policy, days = Policy.of(_kept(posted, key_request)), _days(posted)
            narrowed = decide.narrow(
                request_id=pk, digest=digest, policy=policy, lifetime_days=days, reason=reason, actor=actor
            )
            return f"Narrowed. {_outcome(narrowed)}"
        case "ask":
            comments.add_comment(key_request=key_request, text=posted.get("question", "").strip(), actor=actor)
            return "Asked. The requester is told."
        case "review":
            decide.review(request_id=pk, reason=reason, actor=actor)
            return f"“{key_request}” is reviewed."
        case "withdraw":
            reopen.withdraw(request_id=pk, approval_id=_approval(posted), reason=reason, actor=actor)
            return f"Withdrawn. “{key_request}” is pending, and no key can be issued for it now."
    raise InvalidInput("decision", "Press one of the buttons.")


def _approval(posted: QueryDict) -> int | None:
    """Return the number of the approval that was chosen; None where the form had none to choose."""
    text = posted.get("approval", "")
    if text and not (text.isascii() and text.isdigit() and len(text) < 18):
        raise InvalidInput("approval", "Choose which approval you withdraw.")
    return int(text) if text else None


def _kept(posted: QueryDict, key_request: KeyRequest) -> list[str]:
    """Return the permissions that stay ticked; names of nothing are told as not asked for."""
    names = posted.getlist("keep")
    strange = sorted(set(names) - set(key_request.policy))
    if strange:
        raise InvalidInput("permissions", f"This was not asked for: {', '.join(name[:80] for name in strange[:5])}.")
    return names


def _days(posted: QueryDict) -> int:
    text = posted.get("lifetime_days", "").strip()
    if not text.isdecimal() or len(text) > 4:
        raise InvalidInput("lifetime_days", "Enter a whole number of days.")
    return int(text)


def _outcome(key_request: KeyRequest) -> str:
    if key_request.state == RequestState.PENDING:
        return f"Your approval of “{key_request}” is recorded. {turn.next_decider(key_request)}"
    return f"“{key_request}” is {key_request.get_state_display().lower()}."


def _typed(posted: QueryDict, error: PortalError) -> FormState:
    field = "comment" if isinstance(error, TooMany) else getattr(error, "field", "")
    places = {"permissions": "keep", "lifetime_days": "lifetime_days", "comment": "question", "approval": "approval"}
    narrowing = posted.get("decision") == "narrow"
    return FormState(
        error=error.message,
        field=places.get(field, "reason"),
        reason=posted.get("reason", ""),
        question=posted.get("question", ""),
        keep=posted.getlist("keep") if narrowing else None,
        lifetime_days=posted.get("lifetime_days", "")[:20] if narrowing else "",
        withdrawing=posted.get("decision") == "withdraw",
    )


def _draft(typed: Fields, key_request: KeyRequest) -> FormState:
    """Return what was typed and not received; nothing of it is decided."""
    state = FormState(reason=typed.one("reason"), question=typed.one("question"))
    keep, days = typed.get("keep", []), typed.one("lifetime_days")
    if days and (set(keep), days) != (set(key_request.policy), str(key_request.lifetime_days)):
        state.keep, state.lifetime_days = keep, days
    return state


def _page(
    request: HttpRequest, admin: "ModelAdmin[KeyRequest]", key_request: KeyRequest, typed: FormState, status: int = 200
) -> HttpResponse:
    who = access.person(signed_in(request))
    noted = cast("WithAnnotations[KeyRequest, RequestNotes]", key_request)  # the admin finds it so
    due = deciders.decisions_due([key_request])
    why_not = turn.why_not_decidable(who, key_request, due)
    not_grantable = decide.why_not_grantable(key_request)
    not_approvable = decide.why_not_approvable(key_request)
    known = current.current_catalogue()
    given = list(key_request.approvals.filter(decision="approved").select_related("approver", "authority"))
    context = {
        **admin.admin_site.each_context(request),
        "opts": admin.opts,
        "title": f"Request “{key_request}”",
        "page_title": page_title(noted, turn.turns_of(noted, due), signed_in(request)),
        "list_url": list_url(request, admin),
        "key_request": key_request,
        "summary": summarize(key_request.policy, known),
        "diff": key_request.difference,
        "task_diff": _against_task(key_request),
        "narrowings": key_request.narrowings.select_related("approver"),
        "digest": key_request.content_digest,
        "shown": signing.dumps([request.user.pk, key_request.friendly_name], salt=SHOWN),
        "requirement": ApprovalRequirement.now(key_request),
        "can_decide": not why_not,
        "can_approve": not (why_not or not_approvable),
        "can_narrow": not (why_not or not_grantable) and (len(key_request.policy) > 1 or key_request.lifetime_days > 1),
        "not_approvable": "" if why_not else not_approvable,
        "why_not": why_not,
        "can_ask": is_discussed(key_request) and may_comment(who, key_request),
        "can_review": deciders.authority_to_review(who, key_request) is not None,
        "can_stop": deciders.may_withdraw(who, key_request, None),
        "withdrawable": [one for one in given if deciders.may_withdraw(who, key_request, one)],
        "chosen": request.POST.get("approval", ""),
        "needs_review": key_request.needs_review,
        "given": given,
        "typed": typed,
        "keep": key_request.policy if typed.keep is None else typed.keep,
        "comments": key_request.comments.select_related("author"),
        "timeline": history(request_id=key_request.pk),
        "held": _held(key_request),
        "twins": twins_of(key_request, who),
    }
    template = "admin/keys_app/keyrequest/change_form.html"
    return TemplateResponse(request, template, context, status=status)


def _against_task(key_request: KeyRequest) -> tuple[str, Difference] | None:
    """Return the task a request started from and how it differs from it, unless it changes a key."""
    template = find_template(key_request.template, settings.TEMPLATES_FILE) if key_request.template else None
    if template is None or key_request.changes_key_id:
        return None
    return template.title, key_request.policy.since(Policy.of(template.permissions))


def _held(key_request: KeyRequest) -> list[ExistingKey]:
    """Return what the requester and the team hold on the account: the requester's first, most in common first."""
    wanted = set(key_request.policy)
    keys: Any = keys_held(key_request)
    held = [
        ExistingKey(key, tuple(sorted(wanted & set(key.policy))), key.owner_id == key_request.requester_id)
        for key in keys
    ]
    return sorted(held, key=lambda item: (not item.own, -len(item.shared)))[:KEYS_SHOWN]
