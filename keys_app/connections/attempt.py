"""The steps of an attempt to connect an account, each written before what it is about happens at Twilio."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from keys_app.audit.incarnation import advance, check
from keys_app.audit.installation import identity
from keys_app.audit.record import record
from keys_app.core.actor import Actor
from keys_app.core.db import compare_and_swap
from keys_app.core.errors import Conflict
from keys_app.core.secret import Secret
from keys_app.notifications import troubles
from keys_app.organisation.credentials import encrypt
from keys_app.permissions.naming import new_marker

from .models import Connection
from .outcomes import ConnectionOutcome

LEFT = "connection_key"
"""The kind of trouble that a throwaway key is which can't be removed."""
LOOKING_WITHIN = timedelta(minutes=15)
"""How long listing and reading may take, with nothing made yet, before the reconciler takes the command for dead."""
CALLS_AFTER_INTENT = 6
"""How many calls to Twilio follow the intent at most: make, read, and delete with its tries and a listing."""
TOO_LATE = "This took so long that the reconciler closed the attempt. Nothing was changed. Run it again."


@dataclass(frozen=True, slots=True)
class AccountSid:
    """An account as an event names it; the portal may not have it yet."""

    sid: str


def begin(*, sid: str, username: str, password: Secret, actor: Actor, **details: object) -> Connection:
    """Store a credential beside the one that works, encrypted, as being connected, with the marker of its check."""
    now = timezone.now()
    connection = Connection(
        account_sid=sid,
        credential_user=username,
        credential_ciphertext=encrypt(password),
        marker=new_marker(identity()),
        started_at=now,
        in_flight_until=now + LOOKING_WITHIN,
    )
    with transaction.atomic(durable=True):
        connection.save(force_insert=True)
        record("connection.started", actor, account=AccountSid(sid), credential=username, details=details)
    return connection


def intend_key(connection: Connection, actor: Actor) -> None:
    """Write down that the throwaway key is asked for now, and raise the mark outside the database to that.

    Raises `Conflict` if the reconciler was first, or `MarkNotKept`; then Twilio must not be asked.
    """
    incarnation, now = check.current(), timezone.now()
    until = now + timedelta(seconds=CALLS_AFTER_INTENT * settings.TWILIO_DEADLINE + 30)
    with transaction.atomic(durable=True):
        still = Q(settled_at=None, outcome="")
        if not compare_and_swap(connection, still, asked_at=now, in_flight_until=until, incarnation=incarnation):
            raise Conflict(TOO_LATE)
        _record("connection.key_started", connection, actor)
    connection.asked_at = now
    advance.raise_mark()


def note_key(connection: Connection, key_sid: str, actor: Actor) -> None:
    """Write down which key it is, before anything else is done with it."""
    with transaction.atomic(durable=True):
        Connection.objects.filter(pk=connection.pk).update(key_sid=key_sid)
        _record("connection.key_made", connection, actor, key_sid=key_sid)
    connection.key_sid = key_sid


def settle(connection: Connection, outcome: ConnectionOutcome, message: str = "", *, still: Q | None = None) -> bool:
    """Close an attempt of which nothing is at Twilio, and forget its credential; tell whether it was open.

    `still` is what has to hold besides. One that has an outcome keeps it. Call it inside a transaction that records
    what became of it.
    """
    was_open = Q(settled_at=None) & (still or Q())
    values = {"settled_at": timezone.now(), "credential_ciphertext": ""}
    if compare_and_swap(connection, was_open & Q(outcome=""), outcome=outcome, message=message[:400], **values):
        return True
    return compare_and_swap(connection, was_open & ~Q(outcome=""), **values)


def fail(
    connection: Connection,
    problem: str,
    actor: Actor,
    *,
    may_be_left: bool,
    deleted: bool,
    missing: Collection[str] = (),
) -> None:
    """Commit that an account was not connected.

    With `may_be_left` the reconciler looks for its throwaway key from now on; `deleted` says that there was one.
    """
    with transaction.atomic(durable=True):
        if may_be_left:
            values = {"outcome": ConnectionOutcome.FAILED, "message": problem[:400], "in_flight_until": timezone.now()}
            changed = compare_and_swap(connection, Q(settled_at=None, outcome=""), **values)
        else:
            changed = settle(connection, ConnectionOutcome.FAILED, problem)
        if changed and deleted:
            record_deleted(connection, actor)
        if changed:
            details = {"message": problem, "key_may_be_left": may_be_left, "missing": list(missing)}
            _record(
                "connection.failed", connection, actor, key_sid=connection.key_sid if may_be_left else "", **details
            )


def record_deleted(connection: Connection, actor: Actor) -> None:
    """Record that the throwaway key is deleted, inside the transaction that closes the attempt."""
    _record("connection.key_deleted", connection, actor, key_sid=connection.key_sid)


def tell_left(connection: Connection, problem: str, actor: Actor) -> None:
    """Tell Security, now and daily, that the throwaway key can't be removed, until it is."""
    what = f"Key {connection.key_sid}" if connection.key_sid else "A key that may exist"
    troubles.see(
        troubles.Seen(
            key=_trouble(connection),
            kind=LEFT,
            title=f"A key of the check of account {connection.account_sid} could not be removed",
            words=f"{what}, with [kp:{connection.marker}] at the end of its name: {problem.rstrip('.')}. It may list "
            "messages, and nobody has its secret. The reconciler keeps trying; Twilio's Console can delete it too.",
            since=connection.asked_at or connection.started_at,
            key_sid=connection.key_sid,
        ),
        actor,
    )


def end_told(actor: Actor) -> None:
    """Tell Security that the keys of settled attempts are removed, where it was told that they could not be."""
    told = {row.key: row for row in troubles.open_troubles(LEFT)}
    still = {_trouble(connection) for connection in Connection.objects.filter(settled_at=None)}
    troubles.end([row for key, row in told.items() if key not in still], actor)


def _trouble(connection: Connection) -> str:
    return f"connection:{connection.marker}"


def _record(action: str, connection: Connection, actor: Actor, *, key_sid: str = "", **details: Any) -> None:
    record(
        action,
        actor,
        account=AccountSid(connection.account_sid),
        key_sid=key_sid,
        marker=connection.marker,
        details=details,
    )
