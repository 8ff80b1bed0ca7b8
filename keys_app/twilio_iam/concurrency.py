"""At most so many threads of a process wait for Twilio at once; anyone who comes later is told so immediately.

When Twilio hangs, every call takes the client's whole deadline. Without this limit a few people pressing a button
would hold every thread, and no one could as much as open a page.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from threading import BoundedSemaphore, Lock

from keys_app.core.errors import PortalBusy

_making = Lock()  # two threads that come first must not make one each


@contextmanager
def one_of(limit: int, nothing: str) -> Iterator[None]:
    """Hold one of `limit` places. Enter it before anything is written or sent.

    `nothing` says in the error what has not been done. Raises `PortalBusy` without waiting if all are taken.
    """
    with _making:
        places = _places(limit)
    if not places.acquire(blocking=False):
        raise PortalBusy(
            f"The portal is waiting for Twilio's answers to other users and cannot ask more now. {nothing}",
            next_step="Twilio answers slowly at the moment. Try again in a minute.",
        )
    try:
        yield
    finally:
        places.release()


@lru_cache(maxsize=1)
def _places(limit: int) -> BoundedSemaphore:
    return BoundedSemaphore(limit)
