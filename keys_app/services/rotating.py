"""Rotating a key: a new one with the same policy under the same approval, and a chosen overlap with the old one.

The new key is made by the same five steps as the first (`issuing.make_key`) and ends when the old one's
lifetime ends: a rotation does not extend what was approved. Whatever fails, the old key stays as it was.
"""

import logging

from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from ..domain.errors import Conflict, InvalidInput
from ..domain.states import KeyState, RequestState
from ..models import ApiKey, Issuance, KeyRequest
from .actors import Actor, record
from .attempts import begin_attempt
from .issuing import SHORTEST_LIFE, IssuedKey, make_key, require_still_granted
from .lifecycle import ADOPTED, finish_revoking, require_owner
from .slots import twilio_slot
from .transitions import move_request

log = logging.getLogger(__name__)

OVERLAPS = {0: "none: delete it at once", 1: "1 hour", 24: "1 day", 72: "3 days", 168: "7 days"}
"""How long the old key can be kept, in hours."""

DELETE_WITHIN = 10.0
"""Seconds to try to delete the old key at once, while the person waits for the new one."""

MAX_RETIRING = 2
"""How many rotated keys of one request may still work beside the newest."""


@sensitive_variables()
def rotate_key(*, key: ApiKey, overlap_hours: int, actor: Actor) -> IssuedKey:
    """Make the successor of a live key and return it with its secret, once.

    Raises as `issuing.issue_key` does, and `InvalidInput` for an overlap that cannot be chosen.
    """
    require_owner(key, actor)
    if overlap_hours not in OVERLAPS:
        raise InvalidInput("overlap_hours", "Choose how long the old key is kept.")
    if key.request_id is None:
        raise Conflict(ADOPTED)
    issued = make_key(key.account, lambda: _record_intent(key, overlap_hours, actor), actor)
    if not overlap_hours:
        _delete_now(key, actor)
    return issued


def _record_intent(key: ApiKey, overlap_hours: int, actor: Actor) -> Issuance:
    """T1: issued → issuing with the marker and the key to rotate, durable before Twilio is asked."""
    with transaction.atomic(durable=True):
        locked = KeyRequest.objects.select_for_update(no_key=True).get(pk=key.request_id)
        key.refresh_from_db()
        require_owner(key, actor)
        _check_rotatable(key, locked)
        require_still_granted(locked, actor)
        move_request(locked, RequestState.ISSUING)
        issuance = begin_attempt(locked, rotates=key, overlap_hours=overlap_hours)
        details = {"marker": issuance.marker, "attempt": issuance.number, "overlap_hours": overlap_hours}
        record("key.rotate_started", actor, key=key, **details)
    return issuance


def _check_rotatable(key: ApiKey, key_request: KeyRequest) -> None:
    """Refuse a key that cannot be rotated, with what there is to know about it."""
    if key.state != KeyState.ACTIVE:
        raise Conflict(f"This key is {key.get_state_display().lower()}. No new key was made. Send a new request.")
    if key.retires_at:
        raise Conflict(
            f"This key was rotated already and is deleted at {key.retires_at:%Y-%m-%d %H:%M} UTC. No new key was "
            "made. Rotate its successor instead."
        )
    if key_request.state == RequestState.ISSUING:
        last = key_request.issuances.latest("number")
        raise Conflict(
            f"A rotation of this key was started at {last.started_at:%Y-%m-%d %H:%M:%S} UTC and is not settled yet. "
            "A second new key was not made. The request's page shows how it ends."
        )
    if key_request.state != RequestState.ISSUED:
        raise Conflict(f"The request of this key is {key_request.get_state_display().lower()}. No new key was made.")
    if key.expires_at < timezone.now() + SHORTEST_LIFE:
        raise Conflict("The lifetime that was approved is over. Send a new request.")
    if key_request.keys.filter(state=KeyState.ACTIVE, retires_at__isnull=False).count() >= MAX_RETIRING:
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
