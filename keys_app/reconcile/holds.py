"""What is held after the database was found to be older than the world, until a person has looked.

Held is what depends on records that may be lost: deleting keys without a record, the clocks of keys whose owners left,
ends of overlaps, deletions that a replacement or rotation began, lapses. What people press goes on, and so do expiries,
which were fixed when a key was issued.
"""

from datetime import timedelta
from typing import TypeVar

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from keys_app.audit.incarnation import check, set_backs
from keys_app.audit.installation import identity
from keys_app.audit.record import record
from keys_app.connections.others import known_markers
from keys_app.core.actor import Actor
from keys_app.core.errors import Conflict
from keys_app.core.text import counted
from keys_app.core.times import day
from keys_app.key_requests.expire import overdue_requests
from keys_app.key_requests.models import KeyRequest
from keys_app.keys.handover import restart_clocks
from keys_app.keys.models import ApiKey
from keys_app.keys.queries import OWNER_LEFT
from keys_app.keys.revoke import BEGUN_BY_ITSELF, overlap_over
from keys_app.keys.states import KeyState
from keys_app.notifications import notify
from keys_app.permissions.naming import is_marker_of

from .account_run import Visit
from .models import IN_DOUBT, UnmanagedKey

Held = TypeVar("Held", ApiKey, KeyRequest)

REMIND_AFTER = timedelta(days=1)
SHOWN = 50
"""How many keys or requests of a kind a review lists."""
_LOST = {
    "fits": ["Its name has a marker that this installation made."],
    "fails": ["The database does not know the attempt: its record is lost."],
}


def look() -> str:
    """Find out whether the database was set back; return its incarnation.

    Raises `MarkNotKept` or `CheckpointNotKept` where what is outside cannot be read.
    """
    check.check_newest_checkpoint()
    return check.current()


def find_lost(visit: Visit) -> None:
    """Enter it if Twilio lists a key that this installation named and its database does not know."""
    mine = identity()
    own = sorted(marker for marker in visit.strangers if is_marker_of(mine, marker))
    known = known_markers(own)
    for marker in own:
        for key in visit.strangers_now(marker) if marker not in known else []:
            visit.doubts[key.sid] = (marker, _LOST)
            if not UnmanagedKey.objects.filter(pk=key.sid, marker=marker).exists():
                words = f"Twilio lists key {key.sid} on {visit.account}, which this portal named and has no record of."
                set_backs.enter(f"key:{key.sid}", words)


def tell(actor: Actor) -> None:
    """Alarm Security of a hold, and remind of it daily."""
    with transaction.atomic(durable=True):
        rows = set_backs.claim_untold(REMIND_AFTER)
        if not rows:
            return
        notify.notify(
            "alarm.database_set_back",
            title="The portal's database is older than the world, so the portal holds back",
            text=f"{' '.join(row.words for row in rows[:3])} Until someone has looked, it deletes no key whose record "
            "may be lost, and lets nothing lapse. Issuing goes on. Review what it holds, or run manage.py reconcile "
            "--resume.",
            path="/reconciliation/",
            key=f"set-back:{rows[0].pk}:{day(timezone.now())}",
        )
        record("database.hold_told", actor, proofs=[row.proof for row in rows])


def keys_in_doubt() -> QuerySet[UnmanagedKey]:
    """Return the keys that wait for a person to keep or delete them, oldest first."""
    return UnmanagedKey.objects.filter(IN_DOUBT).select_related("account").order_by("first_seen", "sid")


def held_deletions() -> QuerySet[ApiKey]:
    """Return the keys whose deletion the portal began by itself before the loss was found."""
    began = Q(revoking_since=None) | Q(revoking_since__lte=set_backs.last_found_at() or timezone.now())
    return ApiKey.objects.filter(began, state=KeyState.REVOKING, revoke_reason__in=BEGUN_BY_ITSELF)


def held() -> list[str]:
    """Return what goes on once the hold is ended, a line each, at most `SHOWN` of a kind; empty if there is nothing."""
    return [
        *_lines(held_deletions(), "is deleted, as a replacement, a rotation or a leaver's date began that"),
        *_lines(overlap_over(), "is revoked, as its overlap is over"),
        *_lines(ApiKey.objects.filter(OWNER_LEFT, state=KeyState.ACTIVE), "gets a new date, as its owner left"),
        *_lines(overdue_requests(), "lapses"),
    ]


def _lines(rows: QuerySet[Held], what: str) -> list[str]:
    number, shown = rows.count(), list(rows.select_related("account")[:SHOWN])
    more = [f"and {number - SHOWN} more like the last"] if number > SHOWN else []
    return [f"{_named(row)} on {row.account} {what}" for row in shown] + more


def _named(row: Held) -> str:
    return f"Key {row.name} ({row.sid})" if isinstance(row, ApiKey) else f"Request {row.friendly_name} ({row.pk})"


def end(actor: Actor) -> None:
    """End the hold, after someone has looked. Raises `Conflict` while keys wait to be kept or deleted, or without one.

    What was held is done in the next run; only the keys of people who left get new dates, since it may be lost that
    someone took them over.
    """
    with transaction.atomic(durable=True):
        if waiting := keys_in_doubt().count():
            raise Conflict(f"{counted(waiting, 'key')} must be kept or deleted first.")
        rows = set_backs.end_all(actor.label)
        if not rows:
            raise Conflict("Nothing is held.")
        what = held()
        restarted = restart_clocks()
        proofs = [row.proof for row in rows]
        record("database.hold_ended", actor, proofs=proofs, held=what, new_dates_for=restarted)
