"""Giving up a key whose secret was lost, so that its request can be issued again."""

from django.conf import settings
from django.utils import timezone

from keys_app.audit.record import record
from keys_app.core.actor import Actor
from keys_app.core.db import lock_row
from keys_app.core.errors import Conflict
from keys_app.key_requests.models import KeyRequest
from keys_app.key_requests.queries import replacements_left
from keys_app.key_requests.states import RequestState, RequestStep, move_request
from keys_app.organisation.credentials import twilio_slot
from keys_app.users.limits import limited

from .confirm import require_owner
from .models import ApiKey
from .queries import why_not_active
from .revoke import ADOPTED, REPLACED, finish_revoking
from .states import KeyStep, move_key


def replace_key(*, key: ApiKey, actor: Actor) -> None:
    """Give up a key whose secret was lost: revoke it and let the request be issued again.

    Raises `Conflict` if the key was confirmed, is not active, or was replaced too often, `TooMany` for a user who
    replaced too many, and `PortalBusy` if Twilio cannot be asked now; then nothing was changed.
    """
    require_owner(key, actor)
    if key.request_id is None:
        raise Conflict(ADOPTED)
    with twilio_slot("Nothing was changed."):
        _start_replacing(key, actor)
        finish_revoking(key=key, actor=actor)


def _start_replacing(key: ApiKey, actor: Actor) -> None:
    with limited("issues", actor):
        key_request = lock_row(KeyRequest, key.request_id)
        key.refresh_from_db()
        _check_replaceable(key, key_request)
        now = timezone.now()
        move_key(key, KeyStep.REVOKE, revoke_reason=REPLACED)
        move_request(key_request, RequestStep.REPLACE, claim_until=now + settings.APPROVAL_LAPSES_AFTER)
        record("key.replace_started", actor, key=key, reason=key.revoke_reason)


def why_not_replaceable(key: ApiKey) -> str:
    """Return why “Replace key” would be refused to the owner now; empty if it would not."""
    if key.request is None:
        return ADOPTED
    try:
        _check_replaceable(key, key.request)
    except Conflict as error:
        return error.message
    return ""


def _check_replaceable(key: ApiKey, key_request: KeyRequest) -> None:
    if ended := why_not_active(key):
        raise Conflict(ended)
    if key.confirmed_at:
        raise Conflict("You confirmed that the secret of this key is stored. Rotate it, or revoke it.")
    if key.retires_at:
        raise Conflict("This key was rotated, and a newer one replaces it. Revoke it if you don't need it.")
    if key_request.state == RequestState.ISSUING:
        raise Conflict(
            "A rotation of this key is not settled yet. Try again when its request's page shows how it ended."
        )
    if key.owner_id != key_request.requester_id:
        raise Conflict("You took this key over, so you cannot issue it again under the approval. Rotate or revoke it.")
    if key.expires_at <= timezone.now():
        raise Conflict("This key has expired. Send a new request.")
    if not replacements_left(key_request):
        raise Conflict(
            f"This key was replaced {settings.MAX_REPLACEMENTS} times already. Revoke it and send a new request."
        )
