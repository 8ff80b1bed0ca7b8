"""A connection that is made while there is nothing to send on it yet, so that a request need not wait for it.

A handshake is no exchange: until the connection is taken no byte of a request leaves, and one that is not taken is
closed. What came of it counts for `FRESH` seconds; the other side may hang up on one who says nothing.
"""

import ssl
import threading
import time
from dataclasses import dataclass

from .connection import Guarded, connection_to
from .guard import Guard

FRESH = 2.0


@dataclass(frozen=True, slots=True)
class Ready:
    """A connection, or why there is none, and the guard that watched it being made and goes on with the exchange."""

    guard: Guard
    connection: Guarded | None
    failure: Exception | None


class Ahead:
    """Makes one connection to the host of `url` in a thread of its own. Afterwards `take` it or `discard` it.

    `timeout` is for each step and `deadline` for the exchange it is made for, both in seconds.
    """

    def __init__(self, url: str, *, timeout: float, deadline: float, ca_file: str) -> None:
        self._guard = Guard(deadline)
        self._connection = connection_to(url, self._guard, timeout, ca_file)
        self._failure: Exception | None = None
        self._ended = 0.0
        self._lock = threading.Lock()
        self._is_discarded = False
        self._thread = threading.Thread(target=self._open, daemon=True)
        self._thread.start()

    def take(self) -> Ready | None:
        """Wait for the end and return what came of it; None if that is too old, or the other side has spoken since."""
        self._thread.join()
        is_fresh = time.monotonic() - self._ended < FRESH
        if is_fresh and (self._failure or _is_silent(self._connection)):
            return Ready(self._guard, None if self._failure else self._connection, self._failure)
        self._close()
        return None

    def discard(self) -> None:
        """Close the connection, or end its making. Does not wait."""
        with self._lock:
            self._is_discarded = True
        self._guard.give_up()
        if not self._thread.is_alive():
            self._close()

    def _open(self) -> None:
        try:
            self._connection.open()
        except Exception as error:  # noqa: BLE001 whatever it is, the exchange it was made for says it
            self._failure = error.with_traceback(None)
        self._ended = time.monotonic()
        with self._lock:
            is_discarded = self._is_discarded
        if is_discarded:
            self._close()

    def _close(self) -> None:
        self._connection.close()
        self._guard.end()


def _is_silent(connection: Guarded) -> bool:
    """Tell whether a connection is as it was made: not closed, and no answer on it to what nobody asked.

    To look whether there is something to read is not enough: with TLS 1.3 a ticket for the next time may wait there.
    """
    sock = connection.sock
    if sock is None:
        return False
    sock.settimeout(0)
    try:
        sock.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        return False
    return False
