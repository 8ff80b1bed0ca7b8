"""The states of a request, an issuance and a key, and the steps between them."""

from enum import Enum, StrEnum, unique


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


class KeyState(StrEnum):
    """Whether a key works. A revoking key may: Twilio has not confirmed its deletion yet."""

    ACTIVE = "active"
    REVOKING = "revoking"
    REVOKED = "revoked"


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


@unique
class KeyStep(Enum):
    """Every way in which a key's state changes: the state it begins in, and the one it leads to."""

    REVOKE = (KeyState.ACTIVE,), KeyState.REVOKING
    DELETED = (KeyState.REVOKING,), KeyState.REVOKED
    VANISHED = (KeyState.ACTIVE,), KeyState.REVOKED  # it is gone at Twilio, and nobody revoked it here
    REAPPEARED = (KeyState.REVOKED,), KeyState.REVOKING  # Twilio shows it again, so it is deleted once more

    def __init__(self, before: tuple[KeyState, ...], after: KeyState) -> None:
        self.before = before
        self.after = after
