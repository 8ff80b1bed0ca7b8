"""What waits to be sent, mail and webhooks alike: who may send it, and whose turn it is; fair between targets."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Generic, TypeVar

from django.db import transaction
from django.db.models import Model, Q
from django.utils import timezone

from keys_app.core.db import compare_and_swap
from keys_app.core.retry import Backoff

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 8
_PAUSES = Backoff(first=60, factor=4, longest=8 * 60 * 60, spread=0.2)

LEASE = timedelta(minutes=10)
"""Longer than sending one row can take; then another process may try."""

Row = TypeVar("Row", bound=Model)


def wait_after(attempt: int) -> timedelta:
    """Return the pause after a notice was not taken. Eight attempts take about 22 hours."""
    return timedelta(seconds=_PAUSES.after(attempt))


@dataclass(slots=True)
class Sent:
    """What a run did: delivered, to be tried again, given up."""

    done: int = 0
    not_yet: int = 0
    gave_up: int = 0

    def __add__(self, other: "Sent") -> "Sent":
        return Sent(self.done + other.done, self.not_yet + other.not_yet, self.gave_up + other.gave_up)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a row was not taken. A final one isn't tried again."""

    why: str
    is_final: bool = False


class Outbox(ABC, Generic[Row]):
    """One run over the rows of one kind. Several processes may run at once: each row is claimed first.

    After a failure the other rows for that target wait for the next run, so that a dead one costs one attempt.
    """

    due_at: ClassVar[str]
    """The column with the time from which a row may be sent."""
    attempts: ClassVar[str]
    """The column that counts them."""
    waiting: ClassVar[Q]
    """What holds for a row that is neither sent nor given up."""

    def run(self, stopping: Callable[[], bool]) -> Sent:
        """Send what is due; `stopping` is asked before each row, and ends the run early."""
        result, failed = Sent(), set[Hashable]()
        for row in self.in_turn():
            if stopping() or self.is_down():
                break
            if self.target(row) in failed or self.can_wait(row) or not self.claim(row):
                continue
            failure = self.deliver(row)
            if failure is None:
                compare_and_swap(row, self.waiting, **self.when_sent())
                result.done += 1
            else:
                failed.add(self.target(row))
                self._note(row, failure, result)
        return result

    def claim(self, row: Row) -> bool:
        """Count an attempt and move the time of the next, unless another process has. Killed now, it is sent later."""
        as_read = {name: getattr(row, name) for name in (self.due_at, self.attempts)}
        tried = (as_read[self.attempts] or 0) + 1
        setattr(row, self.attempts, tried)
        moved = {self.due_at: timezone.now() + LEASE, self.attempts: tried}
        return compare_and_swap(row, self.waiting & Q(**as_read), **moved, **self.when_claimed())

    def _note(self, row: Row, failure: Failure, result: Sent) -> None:
        tried, happened = getattr(row, self.attempts), self.in_the_log(row)
        if tried < MAX_ATTEMPTS and not failure.is_final:
            log.warning("%s (%s); it is tried again", happened, failure.why)
            later = timezone.now() + wait_after(tried)
            compare_and_swap(row, self.waiting, **{self.due_at: later}, **self.when_failed(failure))
            result.not_yet += 1
            return
        log.error("%s in %s attempts (%s); it is given up", happened, tried, failure.why)
        with transaction.atomic(durable=True):
            if compare_and_swap(row, self.waiting, **self.when_given_up(failure)):
                self.record_given_up(row, failure)
        result.gave_up += 1

    @abstractmethod
    def in_turn(self) -> Iterable[Row]:
        """Return rows that are due: first one for each target, then the next."""

    @abstractmethod
    def target(self, row: Row) -> Hashable:
        """Return what fails for all its rows when one fails."""

    @abstractmethod
    def in_the_log(self, row: Row) -> str:
        """Return how the log says that a row was not taken. Neither its text nor its address is in it."""

    @abstractmethod
    def deliver(self, row: Row) -> Failure | None:
        """Send a row once, outside any transaction."""

    @abstractmethod
    def record_given_up(self, row: Row, failure: Failure) -> None:
        """Append the event that says so."""

    def is_down(self) -> bool:
        """Tell whether nothing more can be sent in this run."""
        return False

    def can_wait(self, row: Row) -> bool:
        """Tell whether a row had better wait for the next run, for the others' sake."""
        return False

    def when_claimed(self) -> dict[str, Any]:
        """Return what else is stored with a claim; likewise the three below."""
        return {}

    @abstractmethod
    def when_sent(self) -> dict[str, Any]: ...

    def when_failed(self, failure: Failure) -> dict[str, Any]:
        return {}

    @abstractmethod
    def when_given_up(self, failure: Failure) -> dict[str, Any]: ...
