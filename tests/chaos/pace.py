"""Makes the portal's long waits short, in every process of a kill test alike."""

import os
from datetime import timedelta

MARGIN = timedelta(seconds=0.1)
SILENCE = timedelta(seconds=3)
LOOK_SECONDS = 0.5
ENVIRONMENT = {
    "PORTAL_TWILIO_CONNECT_TIMEOUT": "0.5",
    "PORTAL_TWILIO_READ_TIMEOUT": "0.4",
    "PORTAL_TWILIO_DEADLINE": "0.5",
    "PORTAL_RECONCILE_GRACE": "1",
    "PORTAL_RECONCILE_PATIENCE": "0.5",
    "PORTAL_STUCK_AFTER": "1",
}


def install() -> None:
    """Shorten the waits that no setting governs: around a call to Twilio, and before a silent process is an alarm.

    The reconciler may then take a slow process for a dead one more often, which it must bear anyhow.
    """
    from keys_app.key_requests import queries
    from keys_app.notifications import heartbeats
    from portal import watch

    assert isinstance(queries.COMMIT_MARGIN, timedelta)
    assert isinstance(heartbeats.LEAST, timedelta)
    assert isinstance(watch.LOOK_EVERY, float)
    queries.COMMIT_MARGIN, heartbeats.LEAST, watch.LOOK_EVERY = MARGIN, SILENCE, LOOK_SECONDS


def apply() -> None:
    """Set the variables for this process and those it starts. Call it before Django's settings are read."""
    os.environ.update(ENVIRONMENT)
