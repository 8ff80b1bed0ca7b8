"""Events that somebody can cause at will, kept few: a flood must not fill the ledger.

The first of a kind within an hour is an event at once. Those after it are counted, and the sum is an event when
the hour is over. Somebody who goes through many objects, and many people at once, get one common count.
"""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count, F, Q
from django.utils import timezone

from ..audit import ledger
from ..models import Repeat
from .actors import Actor

MOST_PER_PERSON = 20
"""So many different objects of one kind and hour are told apart for each person."""

MOST_IN_ALL = 500
"""So many counts of one kind are kept within an hour, whoever they are of."""

MANY = "many people"
HOUR = timedelta(hours=1)
_TOGETHER = "More of these within this hour are counted together."


def note(action: str, actor: Actor, *, key_sid: str = "", request_id: str = "", **details: object) -> None:
    """Append the event if it is the first of its kind, person and object within this hour; count it in any case."""
    who = {"actor_id": str(actor.user.pk) if actor.user else "", "actor_name": actor.name, "address": actor.address}
    with transaction.atomic(durable=True):
        row, new = _count(action, who, {"key_sid": key_sid, "request_id": request_id})
        if new:
            told_apart = (row.actor_name, row.key_sid, row.request_id) == (actor.name, key_sid, request_id)
            _append(row, details if told_apart else {"note": _TOGETHER})


def _count(action: str, who: dict[str, str], subject: dict[str, str]) -> tuple[Repeat, bool]:
    """Add one to the count this belongs to, and tell whether it is new."""
    counts = Repeat.objects.filter(action=action, hour=_this_hour())
    known = counts.aggregate(
        same=Count("pk", filter=Q(**who, **subject)), of_person=Count("pk", filter=Q(**who)), all=Count("pk")
    )
    if not known["same"]:
        if known["of_person"] >= MOST_PER_PERSON or known["all"] >= MOST_IN_ALL:
            subject = {"key_sid": "", "request_id": ""}
        if known["all"] >= MOST_IN_ALL:
            who = {"actor_id": "", "actor_name": MANY, "address": ""}
    row = Repeat(action=action, hour=_this_hour(), **who, **subject)
    new = not known["same"] and not counts.filter(**who, **subject).exists()
    if new:
        Repeat.objects.bulk_create([row], ignore_conflicts=True)  # somebody may have been as fast
    counts.filter(**who, **subject).update(times=F("times") + 1)
    return row, new


def _this_hour() -> datetime:
    return timezone.now().replace(minute=0, second=0, microsecond=0)


def sum_up() -> int:
    """Append how often each thing was repeated in the hours that are over; return how many events that made."""
    made = 0
    for row in Repeat.objects.filter(hour__lt=_this_hour()).order_by("hour", "pk"):
        with transaction.atomic(durable=True):
            locked = Repeat.objects.select_for_update().filter(pk=row.pk).first()
            if locked is None:
                continue  # another process was faster
            locked.delete()
            if locked.times > 1:
                _append_sum(locked)
                made += 1
    return made


def _append_sum(row: Repeat) -> None:
    _append(row, {"times": row.times, "from": row.hour.isoformat(), "to": (row.hour + HOUR).isoformat()})


def _append(row: Repeat, details: dict[str, object]) -> None:
    subject = {"key_sid": row.key_sid, "request_id": row.request_id}
    ledger.append(ledger.Entry(row.action, row.actor_name, row.actor_id, row.address, **subject, details=details))
