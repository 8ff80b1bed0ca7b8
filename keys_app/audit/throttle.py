"""Events that anyone can cause at will, kept few: a flood must not fill the ledger.

The first of a kind within an hour is an event immediately. Those after it are counted, and the sum is an event when
the hour is over. A user who goes through many objects, and many users together, get one common count.
"""

from datetime import datetime, timedelta

from django.apps import apps
from django.db import transaction
from django.db.models import Count, F, Q
from django.utils import timezone

from keys_app.core.actor import Actor
from keys_app.core.db import locked
from keys_app.core.isolation import isolated

from .models import Repeat
from .record import mark_of, record

MOST_PER_PERSON = 20
"""So many different objects of one kind and hour are told apart for each user."""

MOST_IN_ALL = 500
"""So many counts of one kind are kept within an hour, whoever they are of."""

MANY = "many people"
HOUR = timedelta(hours=1)
_TOGETHER = "More of these within this hour are counted together."


def note(action: str, actor: Actor, *, key_sid: str = "", request_id: str = "", **details: object) -> None:
    """Append the event if it is the first of its kind, user and object within this hour; count it in any case."""
    own = Repeat(
        action=action,
        hour=_this_hour(),
        actor_id=actor.id,
        login=actor.login,
        actor_name=actor.name,
        address=actor.address,
        key_sid=key_sid,
        request_id=request_id,
    )
    with transaction.atomic(durable=True):
        if _counted(own):
            return
        row = _common(own)
        if _count(row) == 1:
            _append(row, {**details, **mark_of(actor)} if row is own else {"note": _TOGETHER})


def _counted(row: Repeat) -> bool:
    """Add one to a count that is there, and tell whether it is."""
    return bool(row.same().update(times=F("times") + 1))


def _count(row: Repeat) -> int:
    """Add one to a count and return it; where it was summed up meanwhile, a new one begins."""
    while not _counted(row):
        Repeat.objects.bulk_create([row], ignore_conflicts=True)  # another process may create it first
    return row.same().values_list("times", flat=True).get()


def _common(own: Repeat) -> Repeat:
    """Return the count that a new kind of repetition belongs to: its own, or one it shares once there are too many."""
    counts = Repeat.objects.filter(action=own.action, hour=own.hour)
    who = Q(actor_id=own.actor_id, actor_name=own.actor_name, address=own.address)
    there = counts.aggregate(of_person=Count("pk", filter=who), all=Count("pk"))
    if there["all"] >= MOST_IN_ALL:
        return Repeat(action=own.action, hour=own.hour, actor_name=MANY)
    if there["of_person"] >= MOST_PER_PERSON:
        return Repeat(
            action=own.action,
            hour=own.hour,
            actor_id=own.actor_id,
            login=own.login,
            actor_name=own.actor_name,
            address=own.address,
        )
    return own


def _this_hour() -> datetime:
    return timezone.now().replace(minute=0, second=0, microsecond=0)


def sum_up() -> int:
    """Append how often each thing was repeated in the hours that are over; return how many events that made.

    Several processes may do so at once. A count that is added to while it is summed up is in this sum or the next.
    """
    made = 0
    for pk in Repeat.objects.filter(hour__lt=_this_hour()).order_by("hour", "pk").values_list("pk", flat=True):
        with isolated("sums of repetitions"), transaction.atomic(durable=True):
            row = locked(Repeat.objects.filter(pk=pk)).first()
            if row is None:
                continue  # another process summed it up first
            row.delete()
            if row.times > 1:
                _append(row, {"times": row.times, "from": row.hour, "to": row.hour + HOUR})
                made += 1
    return made


def _append(row: Repeat, details: dict[str, object]) -> None:
    """Append an event about a count's actor and object, as the portal has them now."""
    keys = apps.get_model("keys_app", "ApiKey").objects.select_related("account", "team")
    requests = apps.get_model("keys_app", "KeyRequest").objects.select_related("account", "team")
    key = row.key_sid and keys.filter(pk=row.key_sid).first()
    asked = row.request_id and requests.filter(pk=row.request_id).first()
    record(
        row.action,
        Actor(None, row.actor_name, row.address, row.actor_id, row.login),
        key=key or None,
        key_request=asked or None,
        key_sid=row.key_sid,
        request_id=row.request_id,
        details=details,
    )
