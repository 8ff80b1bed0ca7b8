"""The states of a request and of an attempt to issue it; the steps of a request, whose state nothing else writes."""

from enum import Enum, StrEnum, unique
from typing import TYPE_CHECKING

from django.db.models import Q

from keys_app.core.db import compare_and_swap
from keys_app.core.errors import Conflict
from keys_app.core.text import cannot_move

if TYPE_CHECKING:
    from .models import KeyRequest


class RequestState(StrEnum):
    """Where a request is on its way from being sent to a key, or to an end without one."""

    PENDING = "pending"
    APPROVED = "approved"
    ISSUING = "issuing"
    ISSUED = "issued"
    FAILED = "failed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    LAPSED = "lapsed"


GRANTED = (RequestState.APPROVED, RequestState.ISSUING, RequestState.ISSUED, RequestState.FAILED)
"""The states no request is in without the approvals it needs."""


class IssuanceState(StrEnum):
    """What became of one attempt to make a key at Twilio.

    `STARTED` is also what a killed process leaves behind; the reconciler treats it like `UNKNOWN`.
    """

    STARTED = "started"
    UNKNOWN = "unknown"
    ISSUED = "issued"
    REFUSED = "refused"
    NOT_PROCESSED = "not_processed"
    NEVER_CREATED = "never_created"
    ORPHAN_DELETED = "orphan_deleted"
    BREACH = "breach"


OPEN_ISSUANCES = frozenset({IssuanceState.STARTED, IssuanceState.UNKNOWN})


@unique
class RequestStep(Enum):
    """Every way in which a request's state changes: the states it begins in, and the one it leads to."""

    APPROVE = (RequestState.PENDING,), RequestState.APPROVED
    REJECT = (RequestState.PENDING,), RequestState.REJECTED
    CANCEL = (RequestState.PENDING, RequestState.APPROVED, RequestState.FAILED), RequestState.CANCELLED
    LAPSE = (RequestState.PENDING, RequestState.APPROVED, RequestState.FAILED), RequestState.LAPSED
    # An approval was withdrawn or no longer holds.
    REOPEN = (RequestState.PENDING, RequestState.APPROVED, RequestState.FAILED), RequestState.PENDING
    ISSUE = (RequestState.APPROVED, RequestState.FAILED), RequestState.ISSUING
    ROTATE = (RequestState.ISSUED,), RequestState.ISSUING
    # How an attempt at Twilio ended: with a key, or one to rotate as it was; refused; without a key, to be tried again.
    SETTLE = (RequestState.ISSUING,), RequestState.ISSUED
    FAIL = (RequestState.ISSUING,), RequestState.FAILED
    RETURN = (RequestState.ISSUING,), RequestState.APPROVED
    # The secret was lost before it was stored.
    REPLACE = (RequestState.ISSUED,), RequestState.APPROVED

    def __init__(self, before: tuple[RequestState, ...], after: RequestState) -> None:
        self.before = before
        self.after = after


_AFTER_ATTEMPT = {
    IssuanceState.REFUSED: RequestStep.FAIL,
    IssuanceState.BREACH: RequestStep.FAIL,
    IssuanceState.NOT_PROCESSED: RequestStep.RETURN,
    IssuanceState.NEVER_CREATED: RequestStep.RETURN,
    IssuanceState.ORPHAN_DELETED: RequestStep.RETURN,
    IssuanceState.ISSUED: RequestStep.SETTLE,
}


def step_after(outcome: IssuanceState, *, rotation: bool) -> RequestStep | None:
    """Return the step of a request after an attempt; None while its outcome is unknown, so that it stays issuing.

    A rotation that made no key leaves the old one as it was.
    """
    if outcome == IssuanceState.UNKNOWN:
        return None
    return RequestStep.SETTLE if rotation else _AFTER_ATTEMPT[outcome]


def move_request(key_request: "KeyRequest", step: RequestStep, **values: object) -> None:
    """Take a request one step on from the state it was read in, setting `values` as well.

    Raises `Conflict` if the step does not begin in that state or the request has moved in the meantime.
    """
    read, values = RequestState(key_request.state), {"state": step.after.value, **values}
    if not (read in step.before and compare_and_swap(key_request, Q(state=read), **values)):
        key_request.refresh_from_db()
        raise Conflict(cannot_move("request", RequestState(key_request.state), step.after, read))
    for name, value in values.items():
        setattr(key_request, name, value)
