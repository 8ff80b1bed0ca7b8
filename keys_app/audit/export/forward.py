"""Pushes the audit's events to another system: each at least once, in order, from where it stopped."""

import hashlib
import uuid
from datetime import timedelta

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from keys_app.audit import ledger
from keys_app.audit.models import PushPosition
from keys_app.audit.search.engine import Search
from keys_app.audit.search.query import Query
from keys_app.core.errors import NotConfigured
from keys_app.core.secret import Secret

from . import formats
from .targets import PushFailed, Target, target_of

AT_ONCE = 200
LEASE = timedelta(minutes=5)
"""Longer than sending `AT_ONCE` events can take; a process that died holds up the others no longer."""


def configured() -> Target:
    """Return where events are pushed to. Raises `NotConfigured` if that is not set, or is no address."""
    if not settings.AUDIT_PUSH_URL:
        raise NotConfigured("Nothing is pushed: set PORTAL_AUDIT_PUSH_URL.")
    token = Secret(settings.AUDIT_PUSH_TOKEN) if settings.AUDIT_PUSH_TOKEN else None
    return target_of(settings.AUDIT_PUSH_URL, token)


def push(target: Target) -> int | None:
    """Send every event that was not sent yet, and return how many were; None if another process does so now.

    The place is stored after the other side has taken some, so that after a crash in between they are sent again.
    Raises `PushFailed`; what was taken before that is not sent again.
    """
    name = hashlib.sha256(settings.AUDIT_PUSH_URL.encode()).hexdigest()
    PushPosition.objects.get_or_create(target=name)
    holder = uuid.uuid4()
    if not _hold(name, holder):
        return None
    try:
        return _push(target, name, holder)
    finally:
        PushPosition.objects.filter(target=name, holder=holder).update(holder=None, held_until=None)


def _hold(name: str, holder: uuid.UUID) -> bool:
    """Claim the place for this process. By the database's clock: those of two hosts may be apart."""
    free = Q(holder=None) | Q(held_until__lt=Now())
    return bool(PushPosition.objects.filter(free, target=name).update(holder=holder, held_until=Now() + LEASE))


def _push(target: Target, name: str, holder: uuid.UUID) -> int:
    mine = PushPosition.objects.filter(target=name, holder=holder)
    place = mine.values_list("sequence", flat=True).get()
    search, sent = Search(Query(), upto=ledger.size()), 0
    while numbers := search.numbers(above=place, limit=AT_ONCE):
        target.send(formats.events_of(numbers))
        place = numbers[-1]
        if not mine.update(sequence=place, moved_at=timezone.now(), held_until=Now() + LEASE):
            raise PushFailed("Sending took so long that another process has gone on with it.")
        sent += len(numbers)
    return sent
