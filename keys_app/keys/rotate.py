"""Rotating a key: a new one with the same policy under the same approval, and a chosen overlap with the old one.

The new key is made by the same five steps as the first (`issue.make_key`) and ends when the old one's
lifetime ends: a rotation does not extend what was approved. It grants nothing new either: an approval that no longer
holds, or a rating raised since, is told to leads and Security and stops nothing. Whatever fails, the old key stays as
it was.
"""

import logging
from datetime import timedelta

from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from keys_app.audit.incarnation import advance
from keys_app.audit.record import record
from keys_app.core.actor import Actor
from keys_app.core.errors import Conflict, InvalidInput
from keys_app.core.present import present
from keys_app.core.times import duration, moment
from keys_app.key_requests import approvals_today, outcome
from keys_app.key_requests.models import KeyRequest
from keys_app.key_requests.notices import rotated_on_old_approval
from keys_app.key_requests.queries import lock_request
from keys_app.key_requests.states import RequestState, RequestStep, move_request
from keys_app.key_requests.submit import require_guard_rails
from keys_app.organisation import access
from keys_app.organisation.credentials import twilio_slot
from keys_app.users.limits import limited

from .confirm import require_owner
from .issuance import begin_attempt
from .issue import (
    SHORTEST_LIFE,
    Intent,
    IssuedKey,
    make_key,
    require_access,
    require_as_approved,
    require_not_approved_by,
)
from .models import ApiKey
from .queries import why_not_active
from .revoke import ADOPTED, finish_revoking
from .states import KeyState

log = logging.getLogger(__name__)

OVERLAPS = {0: "none: delete it now", **{hours: duration(timedelta(hours=hours)) for hours in (1, 24, 72, 168)}}
"""How long the old key can be kept, in hours."""

DELETE_WITHIN = 10.0
"""Seconds to try to delete the old key, while its owner waits for the new one."""

MAX_RETIRING = 2
"""How many rotated keys of one request may still work beside the newest."""


@sensitive_variables()
def rotate_key(*, key: ApiKey, overlap_hours: int, actor: Actor) -> IssuedKey:
    """Make the successor of a live key and return it with its secret, once.

    Raises as `issue.issue_key` does, and `InvalidInput` for an overlap that cannot be chosen.
    """
    require_owner(key, actor)
    if overlap_hours not in OVERLAPS:
        raise InvalidInput("overlap_hours", "Choose how long the old key is kept.")
    if key.request_id is None:
        raise Conflict(ADOPTED)
    issued = make_key(key.account, lambda incarnation: _record_intent(key, overlap_hours, incarnation, actor), actor)
    if not overlap_hours:
        _delete_now(key, actor)
    return issued


def _record_intent(key: ApiKey, overlap_hours: int, incarnation: str, actor: Actor) -> Intent:
    """T1: issued → issuing with the marker and the key to rotate, durable before Twilio is asked."""
    with limited("issues", actor):
        locked = lock_request(present(key.request_id))
        key.refresh_from_db()
        require_owner(key, actor)
        _check_rotatable(key, locked)
        standing = approvals_today.standing_approvals(locked)
        require_as_approved(locked, standing)
        require_not_approved_by(locked, actor.signed_in)
        require_access(locked, access.Person(actor.signed_in))
        require_guard_rails(locked)
        doubts = approvals_today.approvals_today(locked, standing).reasons
        move_request(locked, RequestStep.ROTATE)
        issuance = begin_attempt(locked, incarnation, rotates=key, overlap_hours=overlap_hours)
        if doubts:
            rotated_on_old_approval(locked, key, doubts)
        details: dict[str, object] = {"doubts": list(doubts)} if doubts else {}
        record(
            "key.rotate_started",
            actor,
            key=key,
            marker=issuance.marker,
            attempt=issuance.number,
            overlap_hours=overlap_hours,
            details=details,
        )
        return Intent(issuance, advance.next_mark())


def why_not_rotatable(key: ApiKey, who: access.Person) -> str:
    """Return why “Rotate key” would be refused to the owner now; empty if it would not."""
    key_request = key.request
    if key_request is None:
        return ADOPTED
    key_request.team, key_request.account = key.team, key.account  # the same, and read already
    try:
        _check_rotatable(key, key_request)
        require_access(key_request, who)
        require_guard_rails(key_request)
        if key_request.requester_id != key.owner_id:
            require_not_approved_by(key_request, who.user)
    except Conflict as error:
        return error.message
    return ""


def _check_rotatable(key: ApiKey, key_request: KeyRequest) -> None:
    """Refuse a key that cannot be rotated, with what there is to know about it."""
    if key.state != KeyState.ACTIVE:
        raise Conflict(f"{why_not_active(key)} No new key was made. Send a new request.")
    if key.retires_at:
        raise Conflict(
            f"This key was rotated already and is deleted at {moment(key.retires_at)}. No new key was made. Rotate its "
            "successor instead."
        )
    if key_request.state == RequestState.ISSUING:
        raise Conflict(f"{outcome.happened(key_request)} No second key was made. Its page shows the outcome.")
    if key_request.state != RequestState.ISSUED:
        raise Conflict(f"{outcome.happened(key_request)} No new key was made.")
    if key.expires_at < timezone.now() + SHORTEST_LIFE:
        raise Conflict("The key expires too soon for a rotation. Send a new request.")
    others = present(key.issuance).number > MAX_RETIRING  # fewer attempts have left fewer keys
    if others and key_request.keys.filter(state=KeyState.ACTIVE, retires_at__isnull=False).count() >= MAX_RETIRING:
        raise Conflict(
            f"{MAX_RETIRING} earlier keys of this request still work, because their overlap is not over. Revoke one "
            "of them, then rotate."
        )


def _delete_now(key: ApiKey, actor: Actor) -> None:
    """Delete the old key. Whatever happens here must not cost the person the secret of the new one."""
    try:
        key.refresh_from_db()
        with twilio_slot():
            finish_revoking(key=key, actor=actor, deadline=DELETE_WITHIN)
    except Exception:  # noqa: BLE001 it stays revoking: its page says so, and the reconciler goes on
        log.warning("key %s was rotated but is not deleted yet; the reconciler goes on", key.pk)
