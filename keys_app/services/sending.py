"""One run of the sender: what is due to be said is queued, what is queued is sent, what is old is removed."""

import logging
from collections.abc import Callable

from django.db import close_old_connections

from .mail_sending import Sent, remove_old, send_mails
from .reminders import announce_lapses, send_digests
from .webhook_sending import send_deliveries

log = logging.getLogger(__name__)


def send_notices(stopping: Callable[[], bool] = lambda: False) -> tuple[Sent, int]:
    """Run every step, whatever happens to the others; return what was sent and how many steps failed.

    `stopping` is asked between two mails or deliveries, and ends the run.
    """
    total, failed = Sent(), 0
    steps: dict[str, Callable[[], Sent | None]] = {
        "announcing what lapses": announce_lapses,
        "making digests": send_digests,
        "sending mail": lambda: send_mails(stopping),
        "sending to webhooks": lambda: send_deliveries(stopping),
        "removing what is old": remove_old,
    }
    for name, step in steps.items():
        try:
            total += step() or Sent()
        except Exception:  # the other steps, and a later run of this one, must still happen
            log.exception("%s failed", name)
            close_old_connections()
            failed += 1
    return total, failed
