"""The socket as gunicorn's code knows it, but that sending does not wait for a client that reads slowly."""

import errno
import select
import socket
import time
from threading import BoundedSemaphore

MAX_KEPT = 4 * 1024 * 1024
"""How many bytes of an answer wait in memory for their reader, before the thread that makes them does."""
STEP = 256 * 1024
"""How many bytes a reader has to take before each deadline."""


class AnswerBuffer:
    """Sends what the client takes now and keeps the rest in `pending`, for the worker's main loop to send.

    A thread waits only while an answer is larger than `MAX_KEPT`, and only if one of `waiters` is left; if none is, or
    the reader takes less than `STEP` in `patience` seconds, the answer is cut off: sending raises `BrokenPipeError`.
    """

    def __init__(self, sock: socket.socket, patience: float, waiters: BoundedSemaphore) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._patience = patience
        self._waiters = waiters
        self._taken = 0
        self.pending = bytearray()
        self.deadline = 0.0

    def sendall(self, data: bytes) -> None:
        if not self.pending:
            self.renew()
        self.pending += data
        self.flush()
        if len(self.pending) > MAX_KEPT:
            self._wait()

    def send(self, data: bytes) -> int:
        self.sendall(data)
        return len(data)

    def flush(self) -> None:
        """Send what the client takes without waiting. Raises `OSError` once it takes nothing more."""
        while self.pending:
            try:
                sent = self._socket.send(self.pending[:STEP])
            except BlockingIOError:
                return
            except OSError:
                self.pending.clear()
                raise
            del self.pending[:sent]
            self._taken += sent
            if self._taken >= STEP:
                self.renew()

    def renew(self) -> None:
        """Give the reader the whole time for the next part."""
        self._taken = 0
        self.deadline = time.monotonic() + self._patience

    def _wait(self) -> None:
        """Wait until half of what is kept is taken."""
        if not self._waiters.acquire(blocking=False):
            self._cut("too many threads wait for readers already")
        try:
            self.renew()  # the last part may have taken long to make
            ready = select.poll()
            ready.register(self._socket, select.POLLOUT)
            while len(self.pending) > MAX_KEPT // 2:
                left = self.deadline - time.monotonic()
                if left <= 0:
                    self._cut("the reader is too slow")
                ready.poll(left * 1000)
                self.flush()
        finally:
            self._waiters.release()

    def _cut(self, why: str) -> None:
        self.pending.clear()
        raise BrokenPipeError(errno.EPIPE, f"The answer is cut off: {why}.")

    def recv(self, size: int) -> bytes:
        return self._socket.recv(size)

    def fileno(self) -> int:
        return self._socket.fileno()

    def shutdown(self, how: int) -> None:
        self._socket.shutdown(how)

    def close(self) -> None:
        self.pending.clear()
        self._socket.close()

    def gettimeout(self) -> float:
        return 0.0

    def settimeout(self, seconds: float | None) -> None:
        """Do nothing: this socket has no other mode."""

    setblocking = settimeout
