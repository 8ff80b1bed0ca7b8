"""Failures that stop only what failed: one job of a run, one step of an account, one key.

A failure is logged and noted in the run, which goes on. Without a run, as when a job is called alone, it is logged.
"""

import logging
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.db import close_old_connections, connection

log = logging.getLogger(__name__)

_SHOWN = 3


class Failures:
    """What failed in one run: for each kind of failure, such as “reminders (ValueError)”, what it was about."""

    def __init__(self) -> None:
        self._subjects: dict[str, list[str]] = defaultdict(list)

    def add(self, kind: str, subject: str) -> None:
        self._subjects[kind].append(subject)

    @property
    def kinds(self) -> list[str]:
        return sorted(self._subjects)

    @property
    def words(self) -> str:
        """Say what failed, with examples; empty if nothing did."""
        return "; ".join(f"{kind}{_examples(self._subjects[kind])}" for kind in self.kinds)


def _examples(subjects: list[str]) -> str:
    named = [subject for subject in subjects if subject]
    more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
    return f": {', '.join(named[:_SHOWN])}{more}" if named else ""


_running: ContextVar[Failures | None] = ContextVar("failures", default=None)


@contextmanager
def noting_failures() -> Iterator[Failures]:
    """Collect what fails in this run."""
    failures = Failures()
    token = _running.set(failures)
    try:
        yield failures
    finally:
        _running.reset(token)


@contextmanager
def isolated(what: str, subject: object = "") -> Iterator[None]:
    """Let only this part fail. `what` is the kind of work, `subject` what it is done to."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 whatever it is, the other parts must still happen
        note_failure(what, subject, error)


def note_failure(what: str, subject: object, error: Exception) -> None:
    """Log what failed, and note it in the run. The message of the error is in the log alone."""
    log.error("%s failed%s", what, f" for {subject}" if subject else "", exc_info=error)
    if not connection.in_atomic_block:  # after a failure of the database the next part needs a new connection
        close_old_connections()
    failures = _running.get()
    if failures is not None:
        failures.add(f"{what} ({type(error).__name__})", str(subject))
