"""Looks at the heartbeats from each web process, so that whatever is left notices what is silent."""

import random
import threading
import time
from datetime import datetime

from django.db import connections
from django.utils import timezone

from keys_app.notifications import heartbeats

LOOK_EVERY = 30.0
"""Seconds, in the mean: several processes do not look at the same moment."""


def start() -> None:
    """Start looking, in a thread of this process. Call it after the fork: a thread does not survive one."""
    threading.Thread(target=_watch, name="heartbeats", daemon=True).start()


def _watch() -> None:
    since = timezone.now()
    while True:
        time.sleep(LOOK_EVERY * random.uniform(0.5, 1.5))  # noqa: S311 it hides nothing
        look_once(since)


def look_once(since: datetime) -> None:
    """Look once, in a process that does so since then; keep no connection in between."""
    try:
        heartbeats.look(since)
    finally:
        connections.close_all()
