"""Compare-and-swap on states: of several who try the same step, one succeeds."""

from django.utils import timezone

from ..domain.errors import Conflict
from ..domain.states import KEY_STEPS, REQUEST_STEPS, KeyState, RequestState
from ..domain.wording import cannot_move
from ..models import ApiKey, KeyRequest


def move_request(key_request: KeyRequest, to: RequestState, **values: object) -> None:
    """Move a request from the state it was read in to `to`, setting `values` as well.

    Raises `Conflict` if that step does not exist or the request has moved in the meantime.
    """
    read = RequestState(key_request.state)
    rows = KeyRequest.objects.filter(pk=key_request.pk, state=read)
    moved = to in REQUEST_STEPS[read] and rows.update(state=to, **values)
    key_request.refresh_from_db()
    if not moved:
        raise Conflict(cannot_move("request", RequestState(key_request.state), to, read))


def move_key(key: ApiKey, to: KeyState, **values: object) -> None:
    """Move a key from the state it was read in to `to`. Raises `Conflict` as `move_request` does."""
    if to == KeyState.REVOKED:
        values["revoked_at"] = timezone.now()
    read = KeyState(key.state)
    moved = to in KEY_STEPS[read] and ApiKey.objects.filter(pk=key.pk, state=read).update(state=to, **values)
    key.refresh_from_db()
    if not moved:
        raise Conflict(cannot_move("key", KeyState(key.state), to, read))
