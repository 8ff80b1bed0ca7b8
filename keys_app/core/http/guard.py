"""A total deadline for one exchange, and the knowledge of how far it got.

The timeouts of `requests` hold between two pieces of data: an answer that comes a byte at a time never meets
them. Here a timer shuts the connection down at the deadline, which ends a blocked read at once. It does so
through a duplicate of the socket, because TLS detaches the socket object it wraps.
"""

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Callable
from enum import Enum
from types import TracebackType
from typing import Any, Self

_AddressInfo = tuple[Any, ...]


class Step(Enum):
    """How far an exchange got. Before `SENDING`, no byte of the request can have left."""

    RESOLVING = "the host name could not be resolved"
    CONNECTING = "no connection could be made"
    SECURING = "no secure connection could be made"
    SENDING = "the request may have been sent"


class AddressRefused(OSError):
    """No address of the host is one that may be connected to."""


def _any_address(_address: str) -> bool:
    return True


class Guard:
    """Watches one exchange of at most `seconds` from now; end it with a `with` statement. For one connection only.

    `allowed` is asked for each address before it is connected to, so that what a name resolved to earlier
    does not count.
    """

    def __init__(self, seconds: float, allowed: Callable[[str], bool] = _any_address) -> None:
        self.step = Step.RESOLVING
        self._allowed = allowed
        self.expired = False
        self._ends = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._watched: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.daemon = True
        self._timer.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """Watch no longer. May be called twice."""
        self._timer.cancel()
        with self._lock:
            if self._watched is not None:
                self._watched.close()
                self._watched = None

    def open_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        """Return a watched connection to the first allowed address of `host` that accepts one.

        `timeout` is for the look-up and for each address, in seconds; the deadline holds for all together.
        Raises `OSError`, of which `AddressRefused` if no address is allowed.
        """
        failure: OSError = AddressRefused("the host has no address that may be connected to")
        for family, kind, protocol, _, address in _resolve(host, port, self._patience(timeout)):
            if not self._allowed(address[0]):
                continue
            self.step = Step.CONNECTING
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(self._patience(timeout))
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.connect(address)
                with self._lock:
                    self._watched = sock.dup()
                self._patience(0.0)
                self.step = Step.SECURING
                return sock
            except OSError as error:
                sock.close()
                failure = error
        raise failure

    def start_sending(self) -> None:
        """Note that the connection is complete. Raises `TimeoutError` if the deadline is over already."""
        self._patience(0.0)
        self.step = Step.SENDING

    def give_up(self) -> None:
        """End what is under way, as the deadline does."""
        self._expire()

    def _patience(self, timeout: float) -> float:
        left = self._ends - time.monotonic()
        if self.expired or left <= 0:
            raise TimeoutError("deadline")
        return min(timeout, left)

    def _expire(self) -> None:
        with self._lock:
            self.expired = True
            if self._watched is not None:
                with contextlib.suppress(OSError):
                    self._watched.shutdown(socket.SHUT_RDWR)


def _resolve(host: str, port: int, timeout: float) -> list[_AddressInfo]:
    """Return what `getaddrinfo` says. It knows no timeout, so it runs in a thread that may be left behind."""
    found: queue.SimpleQueue[list[_AddressInfo] | OSError] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            found.put(list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
        except (OSError, UnicodeError) as error:
            found.put(OSError(str(error)))

    threading.Thread(target=look_up, daemon=True).start()
    try:
        answer = found.get(timeout=timeout)
    except queue.Empty:
        raise TimeoutError("name resolution") from None
    if isinstance(answer, OSError):
        raise answer
    return answer
