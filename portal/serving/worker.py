"""Gunicorn's threaded worker, in which a request gets a thread once all of it is there.

Gunicorn's own reads head and body in a thread, and sends the answer from it, however slow the client is: as many
unfinished requests as there are threads stop it. Here the main loop does both, for all connections at once and without
waiting, and each has a deadline as a whole. Requests are parsed, run and answered by gunicorn's code.
"""

import socket
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from selectors import EVENT_READ, EVENT_WRITE
from threading import BoundedSemaphore
from typing import Any

from gunicorn import util
from gunicorn.http import wsgi
from gunicorn.http.errors import NoMoreData
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, ThreadWorker

from portal import env
from portal.serving import body_limits
from portal.serving.answer_buffer import AnswerBuffer
from portal.serving.connection import ClientConnection

READ = 64 * 1024
LINGER_SECONDS = 2.0
"""How long a client that was answered may send what no one reads, so that it reads the answer before it is cut off."""
MEGABYTE = 1024 * 1024


class PortalWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """A worker whose connections wait in its main loop, each until a deadline; `waiting` holds them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.waiting: set[ClientConnection] = set()
        self.waiters = BoundedSemaphore(max(1, self.cfg.threads // 4))
        self.head_deadline = env.head_deadline()
        self.body_deadline = env.body_deadline()
        self.send_deadline = env.send_deadline()

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        super().check_config(cfg, log)
        if cfg.is_ssl:
            sys.exit("gunicorn: TLS is the proxy's part, this worker speaks plain HTTP.")

    # -- a connection comes in, and its request

    def accept(self, listener: socket.socket) -> None:
        """Take a connection. Where there are too many, the one that has waited longest is closed for it."""
        try:
            sock, client = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        if self.nr_conns >= self.worker_connections - 1 and self.waiting:
            self._forget(min(self.waiting, key=lambda conn: conn.since))
        self.nr_conns += 1
        answer = AnswerBuffer(sock, self.send_deadline, self.waiters)
        conn = ClientConnection(self.cfg, answer, client, listener.getsockname())
        conn.wait(self.cfg.keepalive)
        self._try(self._on_readable, conn)

    def _watch(self, conn: ClientConnection) -> None:
        event = EVENT_WRITE if conn.sock.pending else EVENT_READ
        step = self._on_writable if conn.sock.pending else self._on_readable
        self.waiting.add(conn)
        self.poller.register(conn.sock, event, partial(self._try, step, conn))

    def _unwatch(self, conn: ClientConnection) -> None:
        if conn in self.waiting:
            self.waiting.remove(conn)
            self.poller.unregister(conn.sock)

    def _forget(self, conn: ClientConnection) -> None:
        self._unwatch(conn)
        self.nr_conns -= 1
        conn.close()

    def _try(self, step: Callable[[ClientConnection], None], conn: ClientConnection, *_: Any) -> None:
        """Do what is next for a connection; nothing that one client does ends the main loop."""
        self._unwatch(conn)
        try:
            step(conn)
        except BlockingIOError:
            self._watch(conn)
        except (NoMoreData, StopIteration, OSError):
            self._forget(conn)
        except Exception as error:  # noqa: BLE001 most are the client's, and gunicorn tells those from ours
            self.handle_error(conn.request, conn.sock, conn.client, error)
            self._try(self._close, conn)

    def _on_readable(self, conn: ClientConnection) -> None:
        data = conn.sock.recv(READ)
        if not data:
            self._forget(conn)
        elif conn.is_lingering:
            self._watch(conn)
        else:
            if conn.is_idle:
                conn.wait(self.head_deadline)
            conn.receive(data)
            self._proceed(conn)

    def _proceed(self, conn: ClientConnection) -> None:
        """Hand over a request that is complete, or too large; wait for the rest of any other."""
        if conn.request is None and conn.read_head():
            conn.wait(self.body_deadline)
        if conn.request is None:
            self._watch(conn)
        elif conn.body.size > conn.limit and not conn.is_asked:
            self._ask(conn)
        elif conn.body.size > conn.limit:
            conn.refuse_body()
            self.enqueue_req(conn)
        elif conn.body.done:
            self.enqueue_req(conn)
        else:
            conn.go_ahead()
            self._watch(conn)

    def _ask(self, conn: ClientConnection) -> None:
        """Find out in a thread whether a body of more than `SMALL` is to be read."""
        found = self.tpool.submit(self._find_limit, conn)
        found.add_done_callback(lambda limit: self.method_queue.defer(self._try, partial(self._asked, limit), conn))

    def _find_limit(self, conn: ClientConnection) -> int:
        _, environ = wsgi.create(conn.request, conn.sock, conn.client, conn.server, self.cfg)
        return body_limits.of_request(environ)

    def _asked(self, limit: Future[int], conn: ClientConnection) -> None:
        conn.is_asked = True
        conn.limit = limit.result()
        conn.wait(self.body_deadline * max(1, conn.limit // MEGABYTE))
        self._proceed(conn)

    # -- its answer, and its end

    def finish_request(self, conn: ClientConnection, fs: Future[bool]) -> None:
        """Send the rest of an answer from the main loop; then wait for the next request, or close."""
        conn.sock.renew()
        conn.is_closing = fs.cancelled() or fs.exception() is not None or not fs.result()
        self._try(self._on_writable, conn)

    def _on_writable(self, conn: ClientConnection) -> None:
        conn.sock.flush()
        if conn.sock.pending:
            self._watch(conn)
        elif conn.is_closing:
            self._close(conn)
        elif conn.request is None:
            self._watch(conn)  # it was told to go ahead, and nothing more
        else:
            conn.next_request()
            conn.wait(self.head_deadline if conn.head else self.cfg.keepalive)
            self._proceed(conn)

    def _close(self, conn: ClientConnection) -> None:
        """Send what is left, then the end, and let the client read it while it may still send."""
        conn.is_closing = True
        if not conn.sock.pending:
            conn.sock.shutdown(socket.SHUT_WR)
            conn.is_lingering = True
            conn.wait(LINGER_SECONDS)
        self._watch(conn)

    # -- deadlines

    def murder_pending(self) -> None:
        """End what is past its deadline: gunicorn's main loop calls this each second."""
        now = time.monotonic()
        ended = Counter(self._end(conn) for conn in [*self.waiting] if conn.deadline <= now)
        if told := ", ".join(f"{number} {what}" for what, number in sorted(ended.items()) if what):
            self.log.info("Past their deadline: %s", told)

    def _end(self, conn: ClientConnection) -> str:
        """End a connection, and return what was too slow; an idle one and one that is being closed were not."""
        if conn.sock.pending or conn.is_idle or conn.is_lingering:
            what = "readers of an answer" if conn.sock.pending else ""
            self._forget(conn)
            return what
        what = "bodies" if conn.request else "heads"
        self._try(self._time_out, conn)
        return what

    def _time_out(self, conn: ClientConnection) -> None:
        util.write_error(conn.sock, 408, "Request Timeout", "The request did not arrive in time. Send it again.")
        self._close(conn)

    def murder_keepalived(self, force: bool = False) -> None:
        """Close idle connections soon once the worker stops, and all of them at its end."""
        if self.alive:
            return
        soon = time.monotonic() + STOP_KEEPALIVE_LINGER
        for conn in [*self.waiting]:
            if force:
                self._forget(conn)
            elif conn.is_idle:
                conn.until = min(conn.until, soon)
