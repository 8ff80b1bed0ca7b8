"""What becomes of an attempt to connect an account."""

from enum import StrEnum


class ConnectionOutcome(StrEnum):
    """How it ended; none while it is under way."""

    CONNECTED = "connected"
    FAILED = "failed"
    BROKEN_OFF = "broken_off"
