"""Noting that the owner of a key has stored its secret."""

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from keys_app.audit.record import record
from keys_app.core.actor import Actor
from keys_app.core.db import compare_and_swap
from keys_app.core.errors import Conflict, NotAllowed

from .models import ApiKey
from .queries import why_not_active
from .states import KeyState


def confirm_key(*, key: ApiKey, actor: Actor) -> None:
    """Note that the owner has stored the secret. Doing it twice changes nothing.

    Raises `Conflict` for a key that is not active, or that was adopted: nobody here had its secret.
    """
    require_owner(key, actor)
    if key.adopted_at:
        raise Conflict("This key was adopted: its secret was never here, so there is nothing to confirm.")
    with transaction.atomic(durable=True):
        unconfirmed = Q(state=KeyState.ACTIVE, confirmed_at=None, adopted_at=None)
        confirmed = compare_and_swap(key, unconfirmed, confirmed_at=timezone.now())
        key.refresh_from_db()
        if confirmed:
            record("key.confirmed", actor, key=key)
        elif ended := why_not_active(key):
            raise Conflict(f"{ended} There is nothing to confirm.")


def require_owner(key: ApiKey, actor: Actor) -> None:
    """Raise `NotAllowed` unless the actor is the key's owner."""
    if actor.user is None or key.owner_id != actor.user.pk:
        raise NotAllowed("Only the owner of a key can do this.")
