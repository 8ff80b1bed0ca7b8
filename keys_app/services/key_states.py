"""The only writer of a key's state. Of several who try the same step, one succeeds."""

from django.db.models import Q
from django.utils import timezone

from ..db import compare_and_swap
from ..domain.errors import Conflict
from ..domain.states import KeyState, KeyStep
from ..domain.wording import cannot_move
from ..models import ApiKey


def move_key(key: ApiKey, step: KeyStep, **values: object) -> None:
    """Take a key one step on from the state it was read in, setting `values` as well.

    Raises `Conflict` if the step does not begin in that state, or the key has moved in the meantime, even if it is
    back in that state: it was revoked at another moment then.
    """
    read = KeyState(key.state)
    as_read = Q(state=read, revoked_at=key.revoked_at)
    values["revoked_at"] = timezone.now() if step.after == KeyState.REVOKED else None
    moved = read in step.before and compare_and_swap(key, as_read, state=step.after, **values)
    key.refresh_from_db()
    if not moved:
        raise Conflict(cannot_move("key", KeyState(key.state), step.after, read))
