"""What happens to a key after it was issued."""

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from .. import selectors
from ..domain.errors import Conflict, NotAllowed, NotDeleted, PortalBusy, PortalError
from ..domain.states import KeyState, RequestState
from ..models import ApiKey, KeyRequest
from ..twilio_iam.errors import TwilioError
from .actors import Actor, record
from .credentials import client_for
from .deleting import delete_at_twilio
from .reasons import require_reason
from .slots import twilio_slot
from .transitions import move_key, move_request


def confirm_key(*, key: ApiKey, actor: Actor) -> None:
    """Note that the owner has stored the secret. Doing it twice changes nothing."""
    _require_owner(key, actor)
    with transaction.atomic(durable=True):
        rows = ApiKey.objects.filter(pk=key.pk, state=KeyState.ACTIVE, confirmed_at=None)
        if rows.update(confirmed_at=timezone.now()):
            key.refresh_from_db()
            record("key.confirmed", actor, key=key)


def _require_owner(key: ApiKey, actor: Actor) -> None:
    if actor.user is None or key.owner_id != actor.user.pk:
        raise NotAllowed("Only the owner of a key can do this.")


def revoke_key(*, key: ApiKey, reason: str, actor: Actor) -> None:
    """Delete a key at Twilio. Owner, lead of the team, Security, or the portal itself (no user).

    The wish is committed first, so that it is carried out later if Twilio does not answer now, or cannot be
    asked because too many wait for it; then `NotDeleted` is raised. Raises `InvalidInput` without a reason,
    `Conflict` if it is revoked.
    """
    require_reason(reason)
    if actor.user and not selectors.can_revoke(selectors.Person(actor.user), key):
        raise NotAllowed("Only the owner, a lead of the team or Security can revoke a key.")
    with transaction.atomic(durable=True):
        _start_revoking(key, reason, actor)
    try:
        with twilio_slot():
            finish_revoking(key=key, actor=actor)
    except PortalBusy:
        raise NotDeleted(
            "The portal is waiting for Twilio's answers to other people and could not ask it to delete this key yet.",
            next_step="The key may still work. Your decision is recorded, and the portal deletes the key by itself.",
        ) from None


def _start_revoking(key: ApiKey, reason: str, actor: Actor) -> None:
    move_key(key, KeyState.REVOKING, revoke_reason=reason)
    record("key.revoke_started", actor, key=key, reason=reason)


def finish_revoking(*, key: ApiKey, actor: Actor) -> None:
    """Delete a revoking key at Twilio; a key that is not there any more counts as deleted.

    Raises `NotDeleted` if Twilio did not agree; the key stays revoking and is tried again.
    """
    try:
        with client_for(key.account) as client:
            delete_at_twilio(client, account_sid=key.account_id, key_sid=key.sid)
    except TwilioError as error:
        raise NotDeleted(
            f"Twilio has not deleted the key yet: {error.message.rstrip('.')}.",
            code=getattr(error, "code", None),
            next_step="The key may still work. The portal goes on trying to delete it.",
        ) from None
    with transaction.atomic(durable=True):
        key.refresh_from_db()
        if key.state == KeyState.REVOKED:
            return  # the reconciler was faster
        move_key(key, KeyState.REVOKED)
        record("key.revoked", actor, key=key, reason=key.revoke_reason)


def replace_key(*, key: ApiKey, actor: Actor) -> None:
    """Give up a key whose secret was lost: revoke it and let the request be issued again.

    Raises `Conflict` if the key was confirmed, is not active, or was replaced too often, and `PortalBusy` if
    Twilio cannot be asked now; then nothing was changed.
    """
    _require_owner(key, actor)
    with twilio_slot("Nothing was changed."):
        _start_replacing(key, actor)
        finish_revoking(key=key, actor=actor)


def _start_replacing(key: ApiKey, actor: Actor) -> None:
    with transaction.atomic(durable=True):
        key_request = KeyRequest.objects.select_for_update(no_key=True).get(pk=key.request_id)
        key.refresh_from_db()
        if key.confirmed_at:
            raise Conflict("You confirmed that the secret of this key is stored. Revoke it and ask for a new one.")
        if key.expires_at <= timezone.now():
            raise Conflict("The lifetime of this key is over. Send a new request.")
        if not selectors.replacements_left(key_request):
            raise Conflict(
                f"This key was replaced {settings.MAX_REPLACEMENTS} times already. Revoke it and ask for a new one."
            )
        now = timezone.now()
        move_key(key, KeyState.REVOKING, revoke_reason="The secret was lost before it was stored.")
        move_request(key_request, RequestState.APPROVED, claim_until=now + settings.APPROVAL_LAPSES_AFTER)
        record("key.replace_started", actor, key=key, reason=key.revoke_reason)


def revoke_expired(actor: Actor) -> tuple[int, int]:
    """Revoke keys past their expiry and retry revocations that Twilio did not carry out.

    Returns how many were revoked and how many could not be.
    """
    now = timezone.now()
    done = failed = 0
    for key in ApiKey.objects.filter(state=KeyState.ACTIVE, expires_at__lt=now).select_related("account"):
        try:
            with transaction.atomic(durable=True):
                _start_revoking(key, "The key's lifetime is over.", actor)
        except Conflict:
            continue  # somebody revoked it just now
    for key in ApiKey.objects.filter(state=KeyState.REVOKING).select_related("account"):
        try:
            finish_revoking(key=key, actor=actor)
            done += 1
        except Conflict:
            continue
        except PortalError:
            failed += 1
    return done, failed
