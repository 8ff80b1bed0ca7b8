"""The only writer of a key's state. Of several who try the same step, one succeeds."""

from enum import Enum, StrEnum, unique
from typing import TYPE_CHECKING

from django.db.models import Q
from django.utils import timezone

from keys_app.core.db import compare_and_swap
from keys_app.core.errors import Conflict
from keys_app.core.text import cannot_move

if TYPE_CHECKING:
    from .models import ApiKey


class KeyState(StrEnum):
    """Whether a key works. A revoking key may: Twilio has not confirmed its deletion yet."""

    ACTIVE = "active"
    REVOKING = "revoking"
    REVOKED = "revoked"


@unique
class KeyStep(Enum):
    """Every way in which a key's state changes: the state it begins in, and the one it leads to."""

    REVOKE = (KeyState.ACTIVE,), KeyState.REVOKING
    DELETED = (KeyState.REVOKING,), KeyState.REVOKED
    VANISHED = (KeyState.ACTIVE,), KeyState.REVOKED  # it is gone at Twilio, and no one revoked it here
    REAPPEARED = (KeyState.REVOKED,), KeyState.REVOKING  # Twilio shows it again, so it is deleted once more
    CAME_BACK = (KeyState.REVOKED,), KeyState.ACTIVE  # it had vanished, and Twilio shows it again

    def __init__(self, before: tuple[KeyState, ...], after: KeyState) -> None:
        self.before = before
        self.after = after


def move_key(key: "ApiKey", step: KeyStep, **values: object) -> None:
    """Take a key one step on from the state it was read in, setting `values` as well.

    Raises `Conflict` if the step does not begin in that state, or the key has moved in the meantime, even if it is
    back in that state: it was revoked at another moment then.
    """
    read = KeyState(key.state)
    as_read = Q(state=read, revoked_at=key.revoked_at)
    if step.after == KeyState.REVOKING:
        values["revoking_since"] = timezone.now()
    values["revoked_at"] = timezone.now() if step.after == KeyState.REVOKED else None
    moved = read in step.before and compare_and_swap(key, as_read, state=step.after, **values)
    key.refresh_from_db()
    if not moved:
        raise Conflict(cannot_move("key", KeyState(key.state), step.after, read))
