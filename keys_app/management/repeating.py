"""What the commands share that run once, or over and over with `--every`."""

import signal
import threading
from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandError, CommandParser

from keys_app.core import db_file


def add_every(parser: CommandParser) -> None:
    """Add the option that lets a command run again and again."""
    parser.add_argument("--every", type=int, metavar="SECONDS", help="go on, with this pause between runs")


def pause_of(options: dict[str, Any]) -> int | None:
    """Return the pause in seconds, None for a single run. Raises `CommandError` if it is less than a second."""
    every: int | None = options["every"]
    if every is not None and every < 1:
        raise CommandError("--every needs at least 1 second.")
    return every


def runs(stop: threading.Event) -> Iterator[None]:
    """Go on until `stop` is set. Each run looks first whether another file took the place of the database."""
    while not stop.is_set():
        db_file.reopen_if_replaced()
        yield


def stopped_by_signal() -> threading.Event:
    """Return an event that SIGTERM and Ctrl-C set, so that a run comes to its end before the command does."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
