"""The file of SQLite is replaced by a backup while people use the portal, which is not stopped for it.

From then on nobody may go on writing into the old file: what is issued there would be lost. What a request that was
under way wrote into it stands before a person, as after any other restore.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import requests

from . import backups, safety
from .figures import Figures
from .pristine import begin_anew, close_connections, pristine_cases
from .restores import reconcile_until_quiet, review
from .world import World

PEOPLE = 4
WORK_SECONDS = 1.5
"""How long people work before the file is replaced, and after."""

STARTED_SECONDS = 60.0
"""On a busy machine: how long people may take for their first key. What was not issued raises no mark."""

UNDER_WAY_SECONDS = 2.0
"""Longer than a request that was under way may take."""

TIMES = 5
"""How often the file is replaced under load, and how often while a key is issued."""


def run_replaced(world: World, times: int = TIMES) -> Figures:
    """Replace the file `times` times under load, and return what was found."""
    figures = Figures("replaced file")
    with pristine_cases(world):
        for _ in range(times):
            for replace in (_replace_under_load, _replace_during_issue):
                begin_anew(world)
                replace(world, figures)
                figures.cases += 1
                figures.restores += 1
    figures.leaks += world.leaks()
    return figures


def _replace_under_load(world: World, figures: Figures) -> None:
    backups.take()
    with _people_at_work(world) as issued:
        assert issued.wait(STARTED_SECONDS), "no key was issued, so nothing would be lost"
        time.sleep(WORK_SECONDS)
        old = _replace()
        time.sleep(UNDER_WAY_SECONDS)
        before = _size(old)
        time.sleep(WORK_SECONDS)
        after = _size(old)
    if after != before:
        figures.unaccounted.append(f"{after - before} events went into the file that was replaced")
    _reconcile_and_review(world, figures)


def _replace_during_issue(world: World, figures: Figures) -> None:
    """Replace it while Twilio makes a key: what the request still writes, no one reads, so no secret may be shown."""
    backups.take()
    world.order("issue", "POST.after", "replace file")
    if world.issue(world.approved_request("replaced")).secret:
        figures.wrongly_shown.append("a secret was shown that only the replaced file knows of")
    world.withdraw_order()
    _reconcile_and_review(world, figures)


def _reconcile_and_review(world: World, figures: Figures) -> None:
    close_connections()
    set_back = safety.Moment(lost=1)
    found = reconcile_until_quiet(world, set_back)
    figures.add(found or review(world), "[replaced file] ")


def _replace() -> Path:
    """Rename the backup over the file; return where the old one, with its log, can still be read."""
    file = backups.file()
    old = file.with_suffix(".old")
    for suffix in ("", "-wal", "-shm"):
        Path(f"{old}{suffix}").unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            os.link(f"{file}{suffix}", f"{old}{suffix}")
    backups.restore("renamed")
    return old


def _size(file: Path) -> int:
    """Return how many events a ledger in a file has."""
    from keys_app.audit.models import AuditEvent

    with closing(sqlite3.connect(file)) as connection:
        return int(connection.execute(f"SELECT max(sequence) FROM {AuditEvent._meta.db_table}").fetchone()[0])


@contextmanager
def _people_at_work(world: World) -> Iterator[threading.Event]:
    """Let people ask for keys, approve and issue without a pause; gives what is set when a first secret was shown."""
    stop, issued = threading.Event(), threading.Event()
    with ThreadPoolExecutor(PEOPLE) as pool:
        work = [pool.submit(_work, world, stop, issued) for _ in range(PEOPLE)]
        try:
            yield issued
        finally:
            stop.set()
            for one in work:
                one.result()


def _work(world: World, stop: threading.Event, issued: threading.Event) -> None:
    engineer, lead = world.engineer.double(), world.lead.double()
    number = 0
    while not stop.is_set():
        number += 1
        # A request that the older database does not have can't be approved any more.
        with suppress(requests.RequestException, AssertionError):
            if world.issue(world.approved_request(f"load-{number}", engineer, lead), engineer).secret:
                issued.set()
