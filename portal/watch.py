"""Looks at the heartbeats from each web process, so that whatever is left notices what is silent."""

import random
import threading
from datetime import datetime

from django.db import connections
from django.utils import timezone

from keys_app.notifications import heartbeats

LOOK_EVERY = 30.0
"""Seconds, in the mean: several processes do not look at the same moment."""


def start(stop: threading.Event | None = None) -> None:
    """Start looking, until `stop`, in a thread of this process. Call it after the fork: no thread survives one."""
    threading.Thread(target=_watch, args=(stop or threading.Event(),), name="heartbeats", daemon=True).start()


def _watch(stop: threading.Event) -> None:
    since = timezone.now()
    while not stop.wait(LOOK_EVERY * random.uniform(0.5, 1.5)):  # noqa: S311 it hides nothing
        look_once(since)


def look_once(since: datetime) -> None:
    """Look once, in a process that does so since then; keep no connection in between."""
    try:
        heartbeats.look(since)
    finally:
        connections.close_all()
