"""The proofs that the database is older than the world. While one is open, there is a hold."""

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from keys_app.audit import ledger
from keys_app.audit.models import SetBack
from keys_app.audit.record import record
from keys_app.core.actor import Actor
from keys_app.core.db import locked

log = logging.getLogger(__name__)


def enter(proof: str, words: str) -> None:
    """Enter once what proves that the database is older than the world. From then on there is a hold."""
    with transaction.atomic(durable=True):
        ledger.lock()  # before the row: whoever appends takes it first, and of two who enter it one is first
        _, new = SetBack.objects.get_or_create(proof=proof, defaults={"words": words, "found_at": timezone.now()})
        if new:
            log.error("the database is older than the world: %s", words)
            record("database.set_back", Actor.system("database check"), proof=proof, message=words)


def open_set_backs() -> list[SetBack]:
    """Return what is proved and no person has ended, the first first."""
    return list(SetBack.objects.filter(ended_at=None))


def is_held() -> bool:
    """Tell whether what depends on records that may be lost is held."""
    return SetBack.objects.filter(ended_at=None).exists()


def last_found_at() -> datetime | None:
    """Return when the database was last found to be older than the world."""
    return SetBack.objects.order_by("-found_at").values_list("found_at", flat=True).first()


def claim_untold(again_after: timedelta) -> list[SetBack]:
    """Return the open ones that no one was told of for so long, and note that someone is now.

    Call it inside a transaction.
    """
    now = timezone.now()
    due = Q(told_at=None) | Q(told_at__lt=now - again_after)
    rows = list(locked(SetBack.objects.filter(due, ended_at=None)))
    SetBack.objects.filter(pk__in=[row.pk for row in rows]).update(told_at=now)
    return rows


def end_all(by: str) -> list[SetBack]:
    """End what is open in the name of `by`, and return it. Call it inside a transaction."""
    rows = list(locked(SetBack.objects.filter(ended_at=None)))
    SetBack.objects.filter(pk__in=[row.pk for row in rows]).update(ended_at=timezone.now(), ended_by=by[:320])
    return rows
