"""How often something may be done: counted in the database, where no count is lost before its time.

A use counts from when it begins until it is too old for its limit, to the moment, so that no window's edge lets twice
as many through. Two that come together are counted one after the other. What is counted is known by a keyed hash alone:
people type their password into the field for the name.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.crypto import salted_hmac

from keys_app.audit.record import record
from keys_app.audit.throttle import note
from keys_app.core.actor import Actor
from keys_app.core.db import read_in_turn, wait_for_turn
from keys_app.core.errors import PortalError
from keys_app.core.times import duration
from keys_app.organisation.sent_forms import check_unsent

from .models import LimitedUse

HOUR = timedelta(hours=1)
LONGEST = HOUR
"""No limit looks at uses that are older."""
_CLEARED_AT_ONCE = 10_000

NAMES = {
    "requests": "new requests",
    "comments": "comments and reminders",
    "exports": "downloads of the audit",
    "pastes": "pastes",
    "issues": "keys issued, rotated or replaced",
}
"""What `PORTAL_LIMITS` limits for each user, in words."""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` uses of one kind by `who` within any span of `within`; `refusal` says so, without the wait."""

    kind: str
    who: str
    most: int
    refusal: str
    within: timedelta = HOUR

    @property
    def counter(self) -> str:
        """What its uses are known by."""
        return salted_hmac(__name__, f"{self.kind}\n{self.who}", algorithm="sha256").hexdigest()

    def uses(self, now: datetime) -> QuerySet[LimitedUse]:
        """Return the uses that count, newest first."""
        return LimitedUse.objects.filter(counter=self.counter, at__gt=now - self.within).order_by("-at", "-pk")

    def wait(self) -> timedelta | None:
        """Wait for this counter's turn, and return after which time one more use is allowed; None if one is now."""
        uses = self.uses(timezone.now()).values_list("at")[: self.most]
        times = read_in_turn(_turn(self.counter), uses)
        left = times[-1][0] + self.within - timezone.now() if len(times) >= self.most else timedelta()
        return left if left > timedelta() else None


class TooMany(PortalError):
    """A limit is reached. Nothing was done, and `wait` says after which time it may be tried again."""

    def __init__(self, limit: Limit, wait: timedelta) -> None:
        self.limit = limit
        self.wait = timedelta(seconds=max(1, math.ceil(wait.total_seconds())))
        super().__init__(f"{limit.refusal} Try again in {duration(self.wait)}.")

    @property
    def retry_after(self) -> str:
        """The wait as the header of that name has it."""
        return str(int(self.wait.total_seconds()))


def take(*limits: Limit) -> list[int]:
    """Count one use of each limit, in the running transaction; return the rows. Raises `TooMany`, and counts none."""
    in_order = sorted(limits, key=lambda one: one.counter)  # always the same, so that no two wait in a ring
    if waits := [(wait, limit) for limit in in_order if (wait := limit.wait()) is not None]:
        wait, limit = max(waits, key=lambda one: one[0])
        raise TooMany(limit, wait)
    now = timezone.now()
    return [LimitedUse.objects.create(counter=limit.counter, at=now).pk for limit in limits]


def give_back(uses: list[int]) -> None:
    """Let these uses not have been."""
    LimitedUse.objects.filter(pk__in=uses).delete()


@contextmanager
def limited(kind: str, actor: Actor) -> Iterator[None]:
    """Run a durable transaction that is one use, by this user, of what `PORTAL_LIMITS` limits.

    Where it would be one too many, `TooMany` is raised before anything is done; for a form that was sent before,
    `AlreadyMade`. What fails leaves no use behind.
    """
    try:
        with transaction.atomic(durable=True):
            if limit := _of_user(kind, actor):
                take(limit)
            yield
    except TooMany as refused:
        check_unsent(actor)
        note_block(refused, actor)
        raise


def count(kind: str, actor: Actor) -> None:
    """Count one use by this user of what leaves nothing in the database. Raises `TooMany`."""
    with limited(kind, actor):
        pass


def note_block(refused: TooMany, actor: Actor) -> None:
    """Record that a limit turned someone away, once for a block however many tries it turns away.

    Where it is no user, as anyone can cause at will, such events are kept few.
    """
    limit = refused.limit
    with transaction.atomic(durable=True):
        wait_for_turn(_turn(limit.counter))
        uses = limit.uses(timezone.now())
        last = uses.first()
        if last is None or uses.filter(noted=True).exists():
            return
        LimitedUse.objects.filter(pk=last.pk).update(noted=True)
        if actor.user:
            record("user.turned_away", actor, limit=limit.kind, most=limit.most)
    if not actor.user:
        note("user.turned_away", actor, limit=limit.kind, most=limit.most)


def clear_old() -> None:
    """Remove the uses no limit looks at any more; of very many some now, and the others the next time."""
    old = LimitedUse.objects.filter(at__lte=timezone.now() - LONGEST).order_by("at", "pk")
    give_back(list(old.values_list("pk", flat=True)[:_CLEARED_AT_ONCE]))


def _of_user(kind: str, actor: Actor) -> Limit | None:
    """Return how often a user may do something; None where that is not limited, as it is for the portal itself."""
    most = settings.LIMITS[kind]
    if actor.user is None or not most:
        return None
    return Limit(kind, actor.id, most, f"The limit of {most} {NAMES[kind]} an hour is reached.")


def _turn(counter: str) -> int:
    return int(counter[:15], 16)
