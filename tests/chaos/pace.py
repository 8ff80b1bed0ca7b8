"""Makes the portal's long waits short, in every process of a kill test alike."""

import os
from datetime import timedelta

MARGIN = timedelta(seconds=0.1)
ENVIRONMENT = {
    "PORTAL_TWILIO_CONNECT_TIMEOUT": "0.5",
    "PORTAL_TWILIO_READ_TIMEOUT": "0.4",
    "PORTAL_TWILIO_DEADLINE": "0.5",
    "PORTAL_RECONCILE_GRACE": "1",
    "PORTAL_RECONCILE_PATIENCE": "0.5",
    "PORTAL_STUCK_AFTER": "1",
}


def install() -> None:
    """Shorten the one wait that no setting governs: how long a process may need around its call to Twilio.

    The reconciler may then take a slow process for a dead one more often, which it must bear anyhow.
    """
    from keys_app.key_requests import queries

    assert isinstance(queries.COMMIT_MARGIN, timedelta)
    queries.COMMIT_MARGIN = MARGIN


def apply() -> None:
    """Set the variables for this process and those it starts. Call it before Django's settings are read."""
    os.environ.update(ENVIRONMENT)
