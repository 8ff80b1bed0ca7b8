"""Keys: the list, one key, and what its owner or Security can do with it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_safe

from keys_app.catalogue import current
from keys_app.core.errors import InvalidInput, PortalError
from keys_app.forms import ReasonForm
from keys_app.key_requests.models import KeyRequest
from keys_app.key_requests.turn import note_turns
from keys_app.keys import confirm, handover, replace, revoke, rotate
from keys_app.keys.models import ApiKey
from keys_app.keys.queries import (
    can_revoke,
    can_take_over,
    doubts_about,
    left_keys,
    successor_of,
    visible_keys,
)
from keys_app.keys.states import KeyState
from keys_app.keys.turn import turns_of_keys
from keys_app.organisation import access
from keys_app.permissions.describe import summarize
from keys_app.users.limits import TooMany
from keys_app.views.http.access import require_approver, visible_or_404
from keys_app.views.http.actor import actor_of
from keys_app.views.http.decorators import post_or_go_back
from keys_app.views.http.drafts import given_back
from keys_app.views.http.fresh import needs_fresh, require_fresh
from keys_app.views.http.problem import problem, with_wait
from keys_app.views.http.signed_in import SignedInRequest
from keys_app.wording import history, key_status, page_title

from .lists import KEYS, LEFT_KEYS
from .revoke_several import link_from
from .snippets import snippets_for

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    from keys_app.keys.queries import KeyNotes

DEFAULT_OVERLAP = 24
ADOPTED_ADVICE = "request a new key, then revoke this one. An adopted key can’t be rotated."


@require_safe
def key_list(request: SignedInRequest) -> HttpResponse:
    """Show the keys this person may see; `lists.KEYS` says how they are searched, narrowed and sorted."""
    who = access.person(request.user)
    listing = KEYS.page(request, visible_keys(who), who)
    note_turns(listing.rows, turns_of_keys(listing.rows), who.user)
    context = {
        "listing": listing,
        "revoke": link_from(listing, who),
        "shows_others": who.is_approver,
        "left_count": left_keys(who).count() if who.is_approver else 0,
    }
    return render(request, "portal/key_list.html", context)


@require_safe
def left_list(request: SignedInRequest) -> HttpResponse:
    """Show the keys of people who left, to leads and Security."""
    who = require_approver(request)
    listing = LEFT_KEYS.page(request, left_keys(who), who)
    note_turns(listing.rows, turns_of_keys(listing.rows), who.user)
    context = {"listing": listing, "led_teams": who.own_led_team_ids}
    return render(request, "portal/key_left_list.html", context)


def _visible(request: SignedInRequest, sid: str) -> "WithAnnotations[ApiKey, KeyNotes]":
    """Return the key if this person may see it. Raises `Http404` otherwise."""
    return visible_or_404(request, visible_keys(access.person(request.user)), sid)


@require_safe
def key_detail(request: SignedInRequest, sid: str) -> HttpResponse:
    """Show one key: its state, what it may do, its history, and what this person can do with it."""
    typed = given_back(request, reverse("portal:key_revoke", args=[sid]))
    return _key_page(request, _visible(request, sid), ReasonForm(initial=typed.each()))


def _key_page(
    request: SignedInRequest,
    key: "WithAnnotations[ApiKey, KeyNotes]",
    form: ReasonForm,
    status: int = 200,
    rotate_error: str = "",
) -> HttpResponse:
    who = access.person(request.user)
    overlap = given_back(request, reverse("portal:key_rotate", args=[key.pk])).one("overlap_hours")
    status_now = key_status(key)
    context = {
        "key": key,
        "title": page_title(key, turns_of_keys([key])[key.pk], request.user),
        "status": status_now,
        "poll_every": status_now.poll_every(waits=key.state != KeyState.REVOKED),
        "summary": summarize(key.policy, current.current_catalogue()) if key.policy_json else None,
        "timeline": history(key_sid=key.pk),
        "form": form,
        "doubts": doubts_about(who, key),
        "successor": successor_of(key),
        "is_owner": key.owner_id == who.user.pk,
        "can_revoke": key.state == KeyState.ACTIVE and can_revoke(who, key),
        "can_take_over": can_take_over(who, key),
        "overlaps": rotate.OVERLAPS.items(),
        "overlap": overlap or request.POST.get("overlap_hours", str(DEFAULT_OVERLAP)),
        "rotate_error": rotate_error,
        **_owners_choices(who, key),
    }
    return render(request, "portal/key_detail.html", context, status=status)


def _owners_choices(who: access.Person, key: ApiKey) -> dict[str, object]:
    """Return which buttons the owner of a live key sees: those that would be accepted now."""
    if key.owner_id != who.user.pk or key.state != KeyState.ACTIVE:
        return {}
    newest = key.request_id is not None and not key.retires_at
    why_not_rotate = rotate.why_not_rotatable(key, who)
    return {
        "can_confirm": key.awaits_confirmation,
        "can_change": newest,
        "can_rotate": not why_not_rotate,
        "why_not_rotate": why_not_rotate if newest else "",
        "can_replace": key.awaits_confirmation and not replace.why_not_replaceable(key),
    }


def _act(
    request: SignedInRequest, key: ApiKey, action: Callable[[], None], done: str, then: KeyRequest | None = None
) -> HttpResponse:
    """Do something to a key and go to its page, or say why not."""
    try:
        action()
    except PortalError as error:
        return problem(request, error, back_url=key.get_absolute_url(), back_label="Back to the key")
    messages.success(request, done)
    return redirect(then or key)


@post_or_go_back
def key_confirm(request: SignedInRequest, sid: str) -> HttpResponse:
    """Note the owner's word that the secret is stored."""
    key = _visible(request, sid)
    done = "Noted: the secret is stored."
    return _act(request, key, lambda: confirm.confirm_key(key=key, actor=actor_of(request)), done)


@post_or_go_back
@needs_fresh
def key_replace(request: SignedInRequest, sid: str) -> HttpResponse:
    """Give up a key whose secret was lost, so that it can be issued anew."""
    key = _visible(request, sid)
    done = "The lost key was deleted at Twilio. Press “Issue key” for a new one."
    return _act(request, key, lambda: replace.replace_key(key=key, actor=actor_of(request)), done, then=key.request)


@post_or_go_back
def key_revoke(request: SignedInRequest, sid: str) -> HttpResponse:
    """Revoke a key, for the reason that was typed; someone else's after a fresh sign-in."""
    key = _visible(request, sid)
    if key.owner_id != request.user.pk:
        require_fresh(request)
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return _key_page(request, key, form, status=422)
    reason = form.cleaned_data["reason"]
    done = "The key was deleted at Twilio. It no longer works."
    return _act(request, key, lambda: revoke.revoke_key(key=key, reason=reason, actor=actor_of(request)), done)


@post_or_go_back
@needs_fresh
@sensitive_variables("issued")
def key_rotate(request: SignedInRequest, sid: str) -> HttpResponse:
    """Make the key's successor and show its secret in this very answer, as `requests.request_issue` does."""
    key = _visible(request, sid)
    hours = request.POST.get("overlap_hours", "")
    overlap = int(hours) if hours.isascii() and hours.isdigit() and len(hours) < 6 else -1
    try:
        issued = rotate.rotate_key(key=key, overlap_hours=overlap, actor=actor_of(request))
    except (InvalidInput, TooMany) as error:
        if not request.htmx:
            return with_wait(_key_page(request, key, ReasonForm(), status=422, rotate_error=error.message), error)
        return problem(request, error, back_url=key.get_absolute_url(), back_label="Back to the key")
    except PortalError as error:
        return problem(request, error, back_url=key.get_absolute_url(), back_label="Back to the key")
    context = {"key": issued.key, "secret": issued.secret, "snippets": snippets_for(issued.key), "old_key": key}
    return render(request, "portal/partials/issued_dialog.html" if request.htmx else "portal/issued.html", context)


@post_or_go_back
@needs_fresh
def key_take_over(request: SignedInRequest, sid: str) -> HttpResponse:
    """Become the owner of a key whose owner left."""
    key = _visible(request, sid)
    done = "You are the owner now. The previous owner may still know the secret: "
    done += ADOPTED_ADVICE if key.adopted_at else "rotate the key. If you approved it, request a new one instead."
    return _act(request, key, lambda: handover.take_over(key=key, actor=actor_of(request)), done)
