"""Letting a request lapse that no one decided, or whose approval no one used, in time."""

from contextlib import suppress

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from keys_app.audit.record import record
from keys_app.core.actor import Actor
from keys_app.core.db import lock_row
from keys_app.core.errors import Conflict
from keys_app.core.isolation import isolated

from . import outcome
from .models import KeyRequest
from .queries import TO_PRESS, is_overdue, pending_between
from .states import RequestState, RequestStep, move_request


def lapse(key_request: KeyRequest, actor: Actor) -> None:
    """End a request that waited too long. Raises `Conflict` if it did not, or has moved on in the meantime."""
    with transaction.atomic(durable=True):
        locked = lock_row(KeyRequest, key_request.pk)
        if not is_overdue(locked):
            raise Conflict(f"{outcome.happened(locked)} It is not overdue.")
        undecided = locked.state == RequestState.PENDING
        reason = "Nobody decided in time." if undecided else "The approval was not used in time."
        move_request(locked, RequestStep.LAPSE)
        record("request.lapsed", actor, key_request=locked, reason=reason)


def overdue_requests() -> QuerySet[KeyRequest]:
    """Return every request nobody decided and every approval nobody used in time."""
    now = timezone.now()
    undecided = pending_between(latest=now - settings.PENDING_LAPSES_AFTER).values("pk")
    return KeyRequest.objects.filter(Q(pk__in=undecided) | Q(state__in=TO_PRESS, claim_until__lt=now))


def lapse_overdue(actor: Actor) -> int:
    """End every request that is overdue; return how many."""
    done = 0
    for key_request in overdue_requests():
        with isolated("lapsing requests", key_request.pk), suppress(Conflict):  # decided, issued or reopened just now
            lapse(key_request, actor)
            done += 1
    return done
