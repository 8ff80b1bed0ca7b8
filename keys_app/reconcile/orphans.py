"""Settles attempts to make a key whose outcome is not known, from Twilio's list."""

from contextlib import suppress
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from keys_app.audit.record import record
from keys_app.core.db import compare_and_swap, lock_row
from keys_app.core.errors import Conflict
from keys_app.core.present import present
from keys_app.key_requests.models import Issuance, KeyRequest
from keys_app.key_requests.queries import answers_due_since
from keys_app.key_requests.states import OPEN_ISSUANCES, IssuanceState
from keys_app.keys.breaches import note_breach
from keys_app.keys.issuance import claim_for_deletion, close_issuance, move_on
from keys_app.twilio_iam.ensure_deleted import delete_at_twilio, shows_key
from keys_app.twilio_iam.errors import Rejected

from . import contradictions
from .account_run import Visit, chunks
from .proof import of_issuance, weigh

LOOKS_BEFORE_CLOSING = 3
"""A key was seen to turn up in the listing only after the first look, so one empty look proves nothing."""


def settle_attempts(visit: Visit) -> None:
    """Delete each listed key that is provably an attempt's without a key, then count the attempts that miss theirs.

    What is not proved is left in `visit.doubts`, for a person. Raises `TwilioError` where Twilio does not answer.
    """
    listed = visit.by_marker
    here = Issuance.objects.filter(request__account=visit.account).select_related("request")
    begun = list(here.filter(key=None, incarnation__isnull=False).exclude(orphan_sid=""))
    found = [one for markers in chunks(sorted(visit.strangers)) for one in here.filter(marker__in=markers)]
    still_open = here.filter(key=None, state__in=OPEN_ISSUANCES, started_at__lt=visit.began_at, orphan_sid="")
    try:
        for issuance in begun:  # it was proved when it was claimed
            with visit.attempt("settling attempts", issuance.marker), suppress(Conflict):  # another reconciler did
                _delete_orphan(visit, issuance, issuance.orphan_sid)
        for issuance in found:
            with visit.attempt("settling attempts", issuance.marker), suppress(Conflict):
                _judge(visit, issuance)
    finally:
        for issuance in still_open:
            if issuance.marker not in listed and not _in_flight(issuance):
                with visit.attempt("settling attempts", issuance.marker):
                    _note_missing(visit, issuance)


def _in_flight(issuance: Issuance) -> bool:
    """Tell whether the process that started this attempt may still be waiting for Twilio's answer."""
    return issuance.state == IssuanceState.STARTED and issuance.started_at > answers_due_since()


def _judge(visit: Visit, issuance: Issuance) -> None:
    """Delete the key with an attempt's marker if it is proved to be that attempt's; leave any other to a person."""
    for key in visit.strangers_now(issuance.marker):
        if _in_flight(issuance) or key.sid == issuance.orphan_sid:
            continue  # it may still be recorded, or is being deleted
        weighed = weigh(visit, key, of_issuance(issuance, key.sid))
        if weighed.for_a_person:
            visit.doubts[key.sid] = (issuance.marker, weighed.to_json())
        elif weighed.proves and visit.may_delete():
            _delete_orphan(visit, issuance, key.sid)


def _delete_orphan(visit: Visit, issuance: Issuance, sid: str) -> None:
    """Delete the key nobody has the secret of, then let the request go on.

    An open attempt is claimed first: from then on the process that made the key, should it still be at
    work, cannot record it any more and does not show its secret. The SID is noted with the claim, so that a
    reconciler that is killed after Twilio has deleted the key does not leave the deletion out of the ledger.
    """
    was_open = issuance.state in OPEN_ISSUANCES
    if not claim_for_deletion(issuance, sid):
        return  # it was settled just now
    _note_other_policy(visit, issuance, sid)
    delete_at_twilio(visit.client, account_sid=visit.account.sid, key_sid=sid)
    with transaction.atomic(durable=True):
        key_request = (
            close_without_key(issuance, IssuanceState.ORPHAN_DELETED, key_sid=sid) if was_open else issuance.request
        )
        if not compare_and_swap(issuance, Q(orphan_sid=sid), orphan_sid=""):
            raise Conflict("Another reconciler has recorded this deletion.")
        record("key.orphan_deleted", visit.actor, key_request=key_request, key_sid=sid, marker=issuance.marker)
    visit.found.orphans_deleted += 1


def _note_other_policy(visit: Visit, issuance: Issuance, sid: str) -> None:
    """Tell Security if the key is not what was approved: whoever made it may not have come to that.

    A key that Twilio does not show, or whose request cannot be read, is deleted all the same. Raises `TwilioError`
    where Twilio did not answer.
    """
    try:
        seen = visit.client.fetch_key(sid).policy
        differs = seen != issuance.request.policy
    except (Rejected, ValueError):
        return
    if differs:
        note_breach(issuance, sid, seen, visit.actor)


def _note_missing(visit: Visit, issuance: Issuance) -> None:
    """Count a look without the key; close the attempt after the grace period and enough looks."""
    Issuance.objects.filter(pk=issuance.pk).update(times_not_listed=F("times_not_listed") + 1)
    looks = issuance.times_not_listed + 1
    waited = timezone.now() - issuance.started_at
    if waited < settings.RECONCILE_GRACE or looks < LOOKS_BEFORE_CLOSING:
        visit.found.still_open += 1
        return
    if issuance.key_sid and shows_key(visit.client, issuance.key_sid):
        visit.found.still_open += 1
        contradictions.lacks_what_is_there(visit, issuance.key_sid, issuance.request.get_absolute_url())
        if issuance.incarnation and issuance.incarnation == visit.incarnation and visit.may_delete():
            _delete_orphan(visit, issuance, issuance.key_sid)
        return
    with suppress(Conflict), transaction.atomic(durable=True):  # another reconciler may have settled it
        key_request = close_without_key(issuance, IssuanceState.NEVER_CREATED)
        action = "key.breach" if issuance.key_sid else "key.never_created"
        record(
            action,
            visit.actor,
            key_request=key_request,
            key_sid=issuance.key_sid,
            marker=issuance.marker,
            looks=looks,
        )
        visit.found.never_created += 1


def close_without_key(issuance: Issuance, outcome: IssuanceState, key_sid: str = "") -> KeyRequest:
    """Settle an attempt, and return the request to a state it can go on from, with at least an hour to do so.

    An attempt that noted a SID before made a key with another policy. Call it inside a transaction. Raises `Conflict`
    if it was settled meanwhile.
    """
    lock_row(KeyRequest, issuance.request_id)
    issuance.refresh_from_db(fields=["key_sid"])
    if issuance.key_sid:
        outcome = IssuanceState.BREACH
    key_request = close_issuance(issuance, outcome, key_sid=key_sid or issuance.key_sid)
    claim_until = max(present(key_request.claim_until), timezone.now() + timedelta(hours=1))
    move_on(issuance, key_request, outcome, claim_until=claim_until)
    return key_request
