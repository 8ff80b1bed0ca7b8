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

REQUEST_STEPS: dict[RequestState, frozenset[RequestState]] = {
    RequestState.PENDING: frozenset(
        {RequestState.APPROVED, RequestState.REJECTED, RequestState.CANCELLED, RequestState.LAPSED}
    ),
    RequestState.APPROVED: frozenset({RequestState.ISSUING, RequestState.CANCELLED, RequestState.LAPSED}),
    RequestState.ISSUING: frozenset({RequestState.ISSUED, RequestState.FAILED, RequestState.APPROVED}),
    RequestState.FAILED: frozenset({RequestState.ISSUING, RequestState.CANCELLED, RequestState.LAPSED}),
    RequestState.ISSUED: frozenset({RequestState.APPROVED}),  # a lost key is replaced
    RequestState.REJECTED: frozenset(),
    RequestState.CANCELLED: frozenset(),
    RequestState.LAPSED: frozenset(),
}

KEY_STEPS: dict[KeyState, frozenset[KeyState]] = {
    KeyState.ACTIVE: frozenset({KeyState.REVOKING}),
    KeyState.REVOKING: frozenset({KeyState.REVOKED}),
    KeyState.REVOKED: frozenset(),
}
