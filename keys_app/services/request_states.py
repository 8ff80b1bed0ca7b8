"""The only writer of a request's state. Of several who try the same step, one succeeds."""

from django.db.models import Q

from ..db import compare_and_swap
from ..domain.errors import Conflict
from ..domain.states import RequestState, RequestStep
from ..domain.wording import cannot_move
from ..models import KeyRequest


def move_request(key_request: KeyRequest, step: RequestStep, **values: object) -> None:
    """Take a request one step on from the state it was read in, setting `values` as well.

    Raises `Conflict` if the step does not begin in that state or the request has moved in the meantime.
    """
    read = RequestState(key_request.state)
    moved = read in step.before and compare_and_swap(key_request, Q(state=read), state=step.after, **values)
    key_request.refresh_from_db()
    if not moved:
        raise Conflict(cannot_move("request", RequestState(key_request.state), step.after, read))
