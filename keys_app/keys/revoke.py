"""Revoking a key: by a user, at the end of an overlap, or when it expires."""

import logging
from collections.abc import Collection, Iterable
from contextlib import suppress
from datetime import timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from keys_app.audit.record import record
from keys_app.core.actor import Actor
from keys_app.core.db import compare_and_swap
from keys_app.core.errors import Conflict, NotAllowed, NotDeleted, NotRecorded, PortalBusy
from keys_app.core.isolation import isolated
from keys_app.core.text import require_reason
from keys_app.organisation import access
from keys_app.organisation.credentials import client_for, is_credential, twilio_slot
from keys_app.organisation.models import Account
from keys_app.twilio_iam.client import TwilioIamClient
from keys_app.twilio_iam.ensure_deleted import SaysGone, delete_key
from keys_app.twilio_iam.errors import OwnCredential, Rejected, TwilioError

from . import refusals
from .models import ApiKey
from .queries import OWNER_LEFT, can_revoke, why_not_active
from .states import KeyState, KeyStep, move_key

log = logging.getLogger(__name__)

ADOPTED = "This key was adopted: the portal did not make it, so it can only be revoked. Send a request for a new one."
ROTATED = "It was rotated, and the overlap with its successor is over."
REPLACED = "The secret was lost before it was stored."
LEFT = "Its owner left, and nobody took it over in time."
BEGUN_BY_ITSELF = (ROTATED, REPLACED, LEFT)
"""Reasons that rest on what the portal has recorded, not on what someone wants."""


def revoke_key(*, key: ApiKey, reason: str, actor: Actor) -> None:
    """Delete a key at Twilio. Owner, lead of the team, Security, or the portal itself (no user).

    The intent is committed first, so that it is carried out later if Twilio does not answer now, or cannot be
    asked because too many wait for it; then `NotDeleted` is raised. Raises `InvalidInput` without a reason,
    `Conflict` if it is not active.
    """
    begin_revoking(key=key, reason=reason, actor=actor)
    delete_now(key=key, actor=actor)


def begin_revoking(*, key: ApiKey, reason: str, actor: Actor) -> None:
    """Commit the intent to delete a key, if the actor may. Raises what `revoke_key` raises before Twilio is asked."""
    reason = require_reason(reason)
    if actor.user and not can_revoke(access.Person(actor.user), key):
        raise NotAllowed("Only the owner, a lead of the team or Security can revoke a key.")
    with transaction.atomic(durable=True):
        start_revoking(key, reason, actor)


def delete_now(*, key: ApiKey, actor: Actor, deadline: float | None = None) -> None:
    """Delete a key whose revocation is recorded. Raises `NotDeleted` if that has to be tried again.

    `deadline` is in seconds; without it Twilio may take as long as for any call.
    """
    try:
        with twilio_slot():
            finish_revoking(key=key, actor=actor, deadline=deadline)
    except PortalBusy:
        raise NotDeleted(
            "The portal is waiting for Twilio's answers to other users and could not ask it to delete this key yet.",
            next_step="The key may still work. Your decision is recorded, and the portal deletes the key by itself.",
        ) from None


def start_revoking(key: ApiKey, reason: str, actor: Actor) -> None:
    """Record the intent to delete a key. Call it inside a transaction. Raises `Conflict` if it is not active."""
    _require_active(key)
    move_key(key, KeyStep.REVOKE, revoke_reason=reason)
    record("key.revoke_started", actor, key=key, reason=reason)


def _require_active(key: ApiKey) -> None:
    """Refuse a key that is not active now, whatever it was when it was read, with what became of it."""
    key.refresh_from_db()
    if ended := why_not_active(key):
        raise Conflict(ended)


def finish_revoking(*, key: ApiKey, actor: Actor, deadline: float | None = None) -> None:
    """Delete a revoking key at Twilio.

    Raises `NotDeleted` if Twilio did not agree, or answered that there is no such key, `NotRecorded` if it did and that
    could not be written; the key stays revoking and is tried again.
    """
    try:
        with client_for(key.account, deadline=deadline) as client:
            carry_out(client, key, actor)
    except SaysGone as error:
        raise NotDeleted(
            f"{error.message.rstrip('.')}. The portal has not deleted it.",
            code=error.code,
            next_step="The portal believes that once Twilio's list of keys lacks it too, and looks by itself. Until "
            "then the key counts as “revoking”: it may still work.",
        ) from None
    except TwilioError as error:
        if isinstance(error, Rejected):
            refusals.tell(key.account, error, refusals.MANAGING, actor)
        next_step = "The key may still work. The portal keeps retrying until it is deleted."
        raise NotDeleted(
            f"Twilio has not deleted the key yet: {error.kept.rstrip('.')}.",
            code=getattr(error, "code", None),
            next_step=next_step + refusals.after_deletion(key.account, error),
        ) from None


def carry_out(client: TwilioIamClient, key: ApiKey, actor: Actor) -> None:
    """Delete a revoking key at Twilio and commit that it is gone.

    Raises `TwilioError` if that is not certain, of which `SaysGone` at 404, and for a key that the portal itself works
    with on any account; `NotRecorded` if it is gone and that cannot be written.
    """
    if is_credential(key.sid):
        raise OwnCredential
    delete_key(client, key.sid)
    record_end(key, actor)


def record_end(key: ApiKey, actor: Actor) -> None:
    """Commit that a revoking key is gone at Twilio. Raises `Conflict`, or `NotRecorded` if it cannot be written."""
    try:
        with transaction.atomic(durable=True):
            _record_deletion(key, actor)
    except Conflict:
        raise
    except Exception:
        log.exception("the deletion of key %s could not be recorded; the reconciler will do it", key.pk)
        raise NotRecorded(
            "Twilio has deleted the key, but the portal could not record it.",
            next_step="The key no longer works. The portal keeps retrying to record it; until then it says “revoking”.",
        ) from None


def _record_deletion(key: ApiKey, actor: Actor) -> None:
    key.refresh_from_db()
    if key.state == KeyState.REVOKED:
        return  # the reconciler was first
    move_key(key, KeyStep.DELETED)
    record("key.revoked", actor, key=key, reason=key.revoke_reason)


def retire(key: ApiKey, *, overlap_hours: int, actor: Actor) -> None:
    """Let a rotated key end after the overlap; without one its deletion starts now. Call it inside T2.

    Raises `Conflict` if it was revoked, rotated or handed over while Twilio was asked for the new one.
    """
    retires_at = min(timezone.now() + timedelta(hours=overlap_hours), key.expires_at)
    still = Q(state=KeyState.ACTIVE, retires_at=None, owner=actor.signed_in)
    if not compare_and_swap(key, still, retires_at=retires_at):
        _require_active(key)
        raise Conflict("The old key was rotated, or handed to another owner, in the meantime, so it is not rotated.")
    key.refresh_from_db()
    if not overlap_hours:
        move_key(key, KeyStep.REVOKE, revoke_reason=ROTATED)


def record_retirement(key: ApiKey, *, successor: ApiKey, actor: Actor) -> None:
    """Append what `retire` did to the ledger, in the same transaction."""
    record("key.rotated", actor, key=key, successor=successor.sid, retires=key.retires_at)
    if key.state == KeyState.REVOKING:
        record("key.revoke_started", actor, key=key, reason=key.revoke_reason)


def revoke_expired(actor: Actor) -> None:
    """Start to revoke every key whose lifetime is over."""
    _start_all(
        ApiKey.objects.filter(state=KeyState.ACTIVE, expires_at__lt=timezone.now()),
        "The key's lifetime is over.",
        actor,
    )


def revoke_ended(accounts: Collection[Account], actor: Actor) -> None:
    """Start to revoke the keys on these accounts whose overlap is over, or that nobody took over in time."""
    _start_all(overlap_over().filter(account__in=accounts), ROTATED, actor)
    _start_all(_left_too_long().filter(account__in=accounts), LEFT, actor)


def overlap_over() -> QuerySet[ApiKey]:
    """Return the live keys whose overlap with a successor is over."""
    now = timezone.now()
    return ApiKey.objects.filter(state=KeyState.ACTIVE, retires_at__lte=now, expires_at__gte=now)


def _left_too_long() -> QuerySet[ApiKey]:
    now = timezone.now()
    return ApiKey.objects.filter(
        OWNER_LEFT, state=KeyState.ACTIVE, handover_by__lte=now, expires_at__gte=now, retires_at=None
    )


def _start_all(keys: Iterable[ApiKey], reason: str, actor: Actor) -> None:
    for key in keys:
        with isolated("revoking what is due", key.pk), suppress(Conflict), transaction.atomic(durable=True):
            start_revoking(key, reason, actor)
