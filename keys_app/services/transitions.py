"""Compare-and-swap on states: of several who try the same step, one succeeds."""

from django.utils import timezone

from ..domain.errors import Conflict
from ..domain.states import KEY_STEPS, REQUEST_STEPS, KeyState, RequestState
from ..models import ApiKey, KeyRequest


def move_request(key_request: KeyRequest, to: RequestState, **values: object) -> None:
    """Move a request from the state it was read in to `to`, setting `values` as well.

    Raises `Conflict` if that step does not exist or the request has moved in the meantime.
    """
    allowed = to in REQUEST_STEPS[RequestState(key_request.state)]
    rows = KeyRequest.objects.filter(pk=key_request.pk, state=key_request.state)
    if not allowed or not rows.update(state=to, **values):
        raise Conflict(f"This request is {key_request.get_state_display().lower()} and cannot be changed so.")
    key_request.refresh_from_db()


def move_key(key: ApiKey, to: KeyState, **values: object) -> None:
    """Move a key from the state it was read in to `to`. Raises `Conflict` as `move_request` does."""
    if to == KeyState.REVOKED:
        values["revoked_at"] = timezone.now()
    allowed = to in KEY_STEPS[KeyState(key.state)]
    if not allowed or not ApiKey.objects.filter(pk=key.pk, state=key.state).update(state=to, **values):
        raise Conflict(f"This key is {key.get_state_display().lower()} and cannot be changed so.")
    key.refresh_from_db()
