"""Points at which a portal process is killed, put into it from outside: the product has no hook for them.

A point is named after what any action of the portal does, not after a function of the product:

    arrived                   the request has come in, nothing is done
    connected                 a connection to Twilio is there; the first transaction may not be on the disk yet
    tx1.in, tx2.in, …         in the first, second … transaction with an event, all written, not committed
    tx1.committed, …          that transaction is on the disk
    POST.before               Twilio is about to be asked (GET and DELETE likewise)
    POST.sent                 Twilio's answer has arrived, and nothing of it is read
    POST.headers              its status is read, its body is not
    POST.after                the exchange is over, whatever came of it
    rendered                  the page is made, nothing of it is sent
    1, 2, 3, …                the first, second, third … of all these that it comes to

An order in a file names the action of the portal, the point and what to do there. The process that gets there
takes the order away, so that it is carried out once.
"""

import json
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from . import backups, clusters, database_faults

ORDER_FILE = "CHAOS_ORDER"
VERBS = ("issue", "replace", "revoke", "rotate", "confirm", "adopt", "take-over")
ANY = "*"
"""Stands for every action in an order."""

ANSWER_SECONDS = 0.3
HANG_SECONDS = 60.0


class Place(threading.local):
    """Where a thread is: in which action of the portal, after how many points and commits, in which call to Twilio."""

    verb = ""
    passed = 0
    commits = 0
    method = ""


place = Place()


def reached(point: str) -> None:
    """Carry out the order for this point, if there is one for what this thread does."""
    place.passed += 1
    if (_is_ordered(point) or _is_ordered(str(place.passed))) and (action := _take_order()):
        ACTIONS[action]()


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)  # until the signal arrives


def _kill_all() -> None:
    """Kill gunicorn and every worker at once."""
    os.killpg(os.getpgrp(), signal.SIGKILL)
    time.sleep(60)


ACTIONS: dict[str, Callable[[], None]] = {
    "kill": _kill,
    "kill all": _kill_all,
    "end session": database_faults.end_session,
    "lock": database_faults.lock,
    "back up": backups.take,
    "replace file": partial(backups.restore, "renamed"),
    "hang": partial(time.sleep, HANG_SECONDS),
    "cut off": clusters.cut_off,
}


def _file() -> Path:
    return Path(os.environ[ORDER_FILE])


def _is_ordered(point: str) -> bool:
    try:
        order = json.loads(_file().read_text())
    except (OSError, ValueError):
        return False
    return bool(place.verb) and order["verb"] in (place.verb, ANY) and order["point"] == point


def _take_order() -> str:
    try:
        action = json.loads(_file().read_text())["action"]
        _file().rename(_file().with_suffix(".taken"))
    except OSError:  # another process was faster
        return ""
    return str(action)


@contextmanager
def doing(verb: str) -> Iterator[None]:
    """Say what this thread does from now on."""
    place.verb, place.commits, place.passed = verb, 0, 0
    try:
        yield
    finally:
        place.verb = ""


def watch_requests(application: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """Wrap a WSGI application with the points before and after it."""

    def watched(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        verb = environ["PATH_INFO"].rstrip("/").rpartition("/")[2]
        if environ["REQUEST_METHOD"] != "POST" or verb not in VERBS:
            return application(environ, start_response)
        with doing(verb):
            reached("arrived")
            answer = application(environ, start_response)
            reached("rendered")
            return answer

    return watched


def install() -> None:
    """Put the points into this process: around each event of the ledger and each exchange with Twilio."""
    from keys_app.audit import ledger
    from keys_app.core.http.ahead import Ahead
    from keys_app.twilio_iam import transport

    Ahead.__init__ = _watch_ahead(Ahead.__init__)  # type: ignore[method-assign]

    ledger.append = _watch_append(ledger.append)
    transport.Transport.exchange = _watch_exchange(transport.Transport.exchange)  # type: ignore[method-assign]
    transport._read_body = _before(transport._read_body, lambda: reached(f"{place.method}.headers"))
    HTTPConnection.getresponse = _watch_answer(HTTPConnection.getresponse)  # type: ignore[method-assign]


def _watch_append(append: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(append)
    def watched(*args: Any, **options: Any) -> Any:
        sequence = append(*args, **options)
        if not any(hook[1] is _committed for hook in connection.run_on_commit):
            transaction.on_commit(_committed)
        reached(f"tx{place.commits + 1}.in")
        return sequence

    return watched


def _committed() -> None:
    place.commits += 1
    reached(f"tx{place.commits}.committed")


def _watch_ahead(make: Callable[..., None]) -> Callable[..., None]:
    """Wrap the making of a connection ahead, whose thread does what the thread does that began it."""

    @wraps(make)
    def watched(self: Any, *args: Any, **options: Any) -> None:
        verb, connect = place.verb, type(self)._open

        def open_it() -> None:
            connect(self)
            with doing(verb):
                reached("connected")

        self._open = open_it
        make(self, *args, **options)

    return watched


def _watch_exchange(exchange: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(exchange)
    def watched(self: Any, method: str, *args: Any, **options: Any) -> Any:
        place.method = method
        reached(f"{method}.before")
        try:
            return exchange(self, method, *args, **options)
        finally:
            reached(f"{method}.after")

    return watched


def _watch_answer(getresponse: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(getresponse)
    def watched(self: Any, *args: Any, **options: Any) -> Any:
        if place.verb and _is_ordered(f"{place.method}.sent"):
            select.select([self.sock], [], [], ANSWER_SECONDS)
            reached(f"{place.method}.sent")
        return getresponse(self, *args, **options)

    return watched


def _before(function: Callable[..., Any], first: Callable[[], None]) -> Callable[..., Any]:
    @wraps(function)
    def watched(*args: Any, **options: Any) -> Any:
        first()
        return function(*args, **options)

    return watched
