"""Cleans up what an attempt to connect an account left at Twilio: the throwaway key of a command that died or failed.

With the credential that the account works with, where there is one; otherwise with the one that was to be connected.
"""

from collections.abc import Callable, Collection
from functools import partial

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from keys_app.audit.incarnation import check, set_backs
from keys_app.audit.record import record
from keys_app.connections import attempt
from keys_app.connections.models import Connection
from keys_app.connections.outcomes import ConnectionOutcome
from keys_app.connections.proof import fetch_if_there
from keys_app.core.actor import Actor
from keys_app.core.errors import MarkNotKept
from keys_app.core.isolation import isolated
from keys_app.core.present import present
from keys_app.core.text import joined
from keys_app.organisation.credentials import decrypt, open_client
from keys_app.organisation.models import Account
from keys_app.twilio_iam.ensure_deleted import delete_at_twilio
from keys_app.twilio_iam.errors import TwilioError
from keys_app.twilio_iam.retry import Patience

from .account_run import RunFindings, Visit, chunks
from .orphans import LOOKS_BEFORE_CLOSING
from .proof import of_connection, proved_key

SETTLING = "settling connections"
NO_CREDENTIAL = "The portal cannot read the credential it was to be connected with."
BROKE_OFF = "The command ended before it was done."
NOT_MADE = "No such key was listed within the grace period."


def settle_connections(visit: Visit) -> None:
    """Delete what attempts to connect this account left, with the credential that works, and close them.

    Proved is a key whose SID Twilio's answer gave, or one that passes every test; what only bears an attempt's marker
    is left in `visit.doubts`, for a person. Raises `TwilioError`.
    """
    here = Connection.objects.filter(account_sid=visit.account.sid)
    marked = [one for part in chunks(sorted(visit.strangers)) for one in here.filter(marker__in=part)]
    for connection in {one.pk: one for one in (*here.filter(_is_over()), *marked)}.values():
        if connection.in_flight_until <= visit.began_at:
            with visit.attempt(SETTLING, connection.marker):
                _settle(visit, connection)


def settle_elsewhere(done: Collection[str], actor: Actor, found: RunFindings, wait: Callable[[float], object]) -> None:
    """Do the same on accounts that are not in `done`, each with the credential that was to be connected.

    The portal may not have such an account, or its credential may not get on. What can't be removed is told.
    """
    for connection in Connection.objects.filter(_is_over()).exclude(account_sid__in=done).order_by("pk"):
        with isolated(SETTLING, connection.account_sid):
            if problem := _settle_alone(connection, actor, found, wait):
                attempt.tell_left(connection, problem, actor)
    attempt.end_told(actor)


def _is_over() -> Q:
    return Q(settled_at=None, in_flight_until__lte=timezone.now())


def _settle_alone(connection: Connection, actor: Actor, found: RunFindings, wait: Callable[[float], object]) -> str:
    """Settle an attempt with its own credential; return what keeps it from being settled, empty if nothing does."""
    password = decrypt(connection.credential_ciphertext)
    if password is None:
        return NO_CREDENTIAL if connection.asked_at else ""
    patience = Patience(wait=wait, left=settings.RECONCILE_PATIENCE)
    with open_client(connection.credential_user, password, patience=patience) as client:
        visit = Visit(client, Account(sid=connection.account_sid), actor, found, lambda _: None)
        visit.incarnation, visit.set_back_at = _incarnation(), set_backs.last_found_at()
        try:
            if connection.asked_at:
                visit.list_keys()
            _settle(visit, connection)
        except TwilioError as error:
            return error.message
    return f"It is not proved that {joined(visit.doubts)} is its key." if visit.doubts else ""


def _incarnation() -> str:
    """Return the database's incarnation, empty if its mark cannot be read: then nothing is proved."""
    try:
        return check.current()
    except MarkNotKept:
        return ""


def _settle(visit: Visit, connection: Connection) -> None:
    """Delete the attempt's key, or count a look without it. Raises `TwilioError`."""
    if connection.asked_at is None:
        visit.found.connections_closed += _close(connection, visit.actor)
    elif sid := _its_key(visit, connection):
        if visit.may_delete():
            visit.found.orphans_deleted += _delete(visit, connection, sid)
    elif connection.settled_at is None and connection.marker not in visit.by_marker:
        _note_missing(visit, connection)


def _its_key(visit: Visit, connection: Connection) -> str:
    """Return the SID of the key that is provably the attempt's; empty if none is. What is doubtful is noted."""
    attempt_with = partial(of_connection, connection)
    return proved_key(
        visit, connection.marker, connection.key_sid, is_open=connection.settled_at is None, attempt_with=attempt_with
    )


def _delete(visit: Visit, connection: Connection, sid: str) -> bool:
    """Delete a key of the attempt and close it; tell whether it was there. Raises `TwilioError`.

    Which key it is is noted first, so that whoever is killed in between does not leave the deletion out of the ledger.
    """
    if connection.settled_at is not None and fetch_if_there(visit.client, sid) is None:
        return False  # only the listing is old
    Connection.objects.filter(pk=connection.pk, settled_at=None).update(key_sid=sid)
    delete_at_twilio(visit.client, account_sid=connection.account_sid, key_sid=sid)
    with transaction.atomic(durable=True):
        was_open = attempt.settle(connection, ConnectionOutcome.BROKEN_OFF, BROKE_OFF)
        if was_open or connection.settled_at is not None:
            account = attempt.AccountSid(connection.account_sid)
            record("key.orphan_deleted", visit.actor, account=account, key_sid=sid, marker=connection.marker)
    return was_open


def _note_missing(visit: Visit, connection: Connection) -> None:
    """Count a look without the key; close the attempt after the grace period and enough looks."""
    Connection.objects.filter(pk=connection.pk).update(times_not_listed=F("times_not_listed") + 1)
    waited = visit.began_at - present(connection.asked_at)
    if waited < settings.RECONCILE_GRACE or connection.times_not_listed + 1 < LOOKS_BEFORE_CLOSING:
        visit.found.still_open += 1
    else:
        visit.found.never_created += _close(connection, visit.actor)


def _close(connection: Connection, actor: Actor) -> bool:
    """Close an attempt that left nothing; tell whether it was open, and its command had not gone on."""
    still = Q(key_sid="", asked_at=connection.asked_at)
    action = "connection.broken_off" if connection.asked_at is None else "connection.key_not_made"
    message = BROKE_OFF if connection.asked_at is None else NOT_MADE
    with transaction.atomic(durable=True):
        was_open = attempt.settle(connection, ConnectionOutcome.BROKEN_OFF, message, still=still)
        if was_open:
            account = attempt.AccountSid(connection.account_sid)
            record(action, actor, account=account, marker=connection.marker, message=message)
    return was_open
