"""The states of a request, an issuance and a key, and the steps between them."""

from enum import StrEnum


class RequestState(StrEnum):
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
    ACTIVE = "active"
    REVOKING = "revoking"
    REVOKED = "revoked"


OPEN_ISSUANCES = frozenset({IssuanceState.STARTED, IssuanceState.UNKNOWN})

_AFTER_ATTEMPT = {
    IssuanceState.REFUSED: RequestState.FAILED,
    IssuanceState.BREACH: RequestState.FAILED,
    IssuanceState.NOT_PROCESSED: RequestState.APPROVED,
    IssuanceState.NEVER_CREATED: RequestState.APPROVED,
    IssuanceState.ORPHAN_DELETED: RequestState.APPROVED,
    IssuanceState.ISSUED: RequestState.ISSUED,
    IssuanceState.UNKNOWN: RequestState.ISSUING,
}


def request_after(outcome: IssuanceState, *, rotation: bool) -> RequestState:
    """Return the state of a request after an attempt. A rotation that made no key leaves the old one as it was."""
    if rotation and outcome != IssuanceState.UNKNOWN:
        return RequestState.ISSUED
    return _AFTER_ATTEMPT[outcome]


REQUEST_STEPS: dict[RequestState, frozenset[RequestState]] = {
    RequestState.PENDING: frozenset(
        {RequestState.APPROVED, RequestState.REJECTED, RequestState.CANCELLED, RequestState.LAPSED}
    ),
    # An approval was withdrawn or no longer holds: what was approved goes back to pending.
    RequestState.APPROVED: frozenset(
        {RequestState.ISSUING, RequestState.CANCELLED, RequestState.LAPSED, RequestState.PENDING}
    ),
    RequestState.ISSUING: frozenset({RequestState.ISSUED, RequestState.FAILED, RequestState.APPROVED}),
    RequestState.FAILED: frozenset(
        {RequestState.ISSUING, RequestState.CANCELLED, RequestState.LAPSED, RequestState.PENDING}
    ),
    # A lost key is replaced; a key is rotated.
    RequestState.ISSUED: frozenset({RequestState.APPROVED, RequestState.ISSUING}),
    RequestState.REJECTED: frozenset(),
    RequestState.CANCELLED: frozenset(),
    RequestState.LAPSED: frozenset(),
}

KEY_STEPS: dict[KeyState, frozenset[KeyState]] = {
    KeyState.ACTIVE: frozenset({KeyState.REVOKING, KeyState.REVOKED}),  # at once if it is gone at Twilio
    KeyState.REVOKING: frozenset({KeyState.REVOKED}),
    KeyState.REVOKED: frozenset(),
}
