"""At most so many threads of a process wait for Twilio at once; whoever comes later is told so immediately.

When Twilio hangs, every call takes the client's whole deadline. Without this limit a few people pressing a button
would hold every thread, and nobody could as much as open a page.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from ..domain.errors import PortalBusy

_lock = threading.Lock()
_taken = 0


@contextmanager
def twilio_slot(nothing: str = "Nothing was created.") -> Iterator[None]:
    """Hold one of `settings.TWILIO_CONCURRENCY` places. Enter it before anything is written or sent.

    `nothing` says in the error what has not been done. Raises `PortalBusy` without waiting if all are taken.
    """
    global _taken  # noqa: PLW0603 one count for the process, which the lock guards
    with _lock:
        if _taken >= settings.TWILIO_CONCURRENCY:
            raise PortalBusy(
                f"The portal is waiting for Twilio's answers to other users and cannot ask more now. {nothing}",
                next_step="Twilio answers slowly at the moment. Try again in a minute.",
            )
        _taken += 1
    try:
        yield
    finally:
        with _lock:
            _taken -= 1
