"""Pushes the audit's events to another system: each at least once, in order, from where it stopped."""

import hashlib

from django.conf import settings
from django.utils import timezone

from ..audit import formats, ledger
from ..audit.query import Query
from ..audit.searching import Search
from ..domain.errors import NotConfigured
from ..domain.secret import Secret
from ..models import PushPosition
from .push_targets import Target, target_of

AT_ONCE = 200


def configured() -> Target:
    """Return where events are pushed to. Raises `NotConfigured` if that is not set, or is no address."""
    if not settings.AUDIT_PUSH_URL:
        raise NotConfigured("Nothing is pushed: set PORTAL_AUDIT_PUSH_URL.")
    token = Secret(settings.AUDIT_PUSH_TOKEN) if settings.AUDIT_PUSH_TOKEN else None
    return target_of(settings.AUDIT_PUSH_URL, token)


def push(target: Target) -> int:
    """Send every event that was not sent yet, and return how many were.

    The place is stored after the other side has taken some, so that after a crash in between they are sent again.
    Raises `PushFailed`; what was taken before that is not sent again.
    """
    name = hashlib.sha256(settings.AUDIT_PUSH_URL.encode()).hexdigest()
    place, _ = PushPosition.objects.get_or_create(target=name)
    search, sent = Search(Query(), upto=ledger.size()), 0
    while numbers := search.numbers(above=place.sequence, limit=AT_ONCE):
        target.send(formats.events_of(numbers))
        place.sequence, place.moved_at = numbers[-1], timezone.now()
        place.save(update_fields=["sequence", "moved_at"])
        sent += len(numbers)
    return sent
