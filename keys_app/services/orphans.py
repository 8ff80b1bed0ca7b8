"""Settles attempts to make a key whose outcome is not known, from Twilio's list."""

from contextlib import suppress
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from ..domain.errors import Conflict
from ..domain.states import OPEN_ISSUANCES, IssuanceState
from ..models import Issuance, KeyRequest
from ..twilio_iam.client import KeySummary
from ..twilio_iam.errors import TwilioError
from .actors import record
from .attempts import close_issuance, move_on
from .deleting import delete_at_twilio
from .visit import Visit, chunks, is_about_all

COMMIT_MARGIN = timedelta(seconds=30)
"""How long a process may need around the call for its two transactions. Longer only costs it the key."""

LOOKS_BEFORE_CLOSING = 3
"""A key was seen to turn up in the listing only after the first look, so one empty look proves nothing."""


def settle_attempts(visit: Visit) -> None:
    """Delete every listed key that carries the marker of an attempt without a key, then count the missing ones."""
    listed = visit.by_marker()
    keyless = Issuance.objects.filter(request__account=visit.account, key=None).select_related("request")
    trouble: TwilioError | None = None
    for issuance in [found for markers in chunks(sorted(listed)) for found in keyless.filter(marker__in=markers)]:
        try:
            with suppress(Conflict):  # another reconciler settled it
                _delete_orphan(visit, issuance, listed[issuance.marker])
        except TwilioError as error:
            trouble = error
            if is_about_all(error):
                break
    still_open = keyless.filter(state__in=OPEN_ISSUANCES, started_at__lt=visit.began_at)
    for issuance in still_open:
        if issuance.marker not in listed and not _in_flight(issuance):
            _note_missing(visit, issuance)
    if trouble:
        raise trouble


def _in_flight(issuance: Issuance) -> bool:
    """Tell whether the process that started this attempt may still be waiting for Twilio's answer."""
    patience = timedelta(seconds=settings.TWILIO_DEADLINE) + COMMIT_MARGIN
    return issuance.state == IssuanceState.STARTED and issuance.started_at > timezone.now() - patience


def _delete_orphan(visit: Visit, issuance: Issuance, keys: list[KeySummary]) -> None:
    """Delete the keys nobody has the secret of, then let the request go on.

    An open attempt is claimed first: from then on the process that made the key, should it still be at
    work, cannot record it any more and does not show its secret.
    """
    was_open = issuance.state in OPEN_ISSUANCES
    if _in_flight(issuance) or not visit.may_delete() or (was_open and not _claim(issuance)):
        return  # it may still be recorded, has its turn in the next run, or was settled just now
    for key in keys:
        delete_at_twilio(visit.client, account_sid=visit.account.sid, key_sid=key.sid)
    with transaction.atomic(durable=True):
        key_request = issuance.request
        if was_open:
            key_request = _close(issuance, IssuanceState.ORPHAN_DELETED, key_sid=keys[0].sid)
        for key in keys:
            record("key.orphan_deleted", visit.actor, key_request=key_request, key_sid=key.sid, marker=issuance.marker)
    visit.found.orphans_deleted += len(keys)


def _claim(issuance: Issuance) -> bool:
    rows = Issuance.objects.filter(pk=issuance.pk, state__in=OPEN_ISSUANCES)
    return bool(rows.update(state=IssuanceState.UNKNOWN))


def _note_missing(visit: Visit, issuance: Issuance) -> None:
    """Count a look without the key; close the attempt after the grace period and enough looks."""
    Issuance.objects.filter(pk=issuance.pk).update(times_not_listed=F("times_not_listed") + 1)
    looks = issuance.times_not_listed + 1
    waited = timezone.now() - issuance.started_at
    if waited < settings.RECONCILE_GRACE or looks < LOOKS_BEFORE_CLOSING:
        visit.found.still_open += 1
        return
    with suppress(Conflict), transaction.atomic(durable=True):  # another reconciler may have settled it
        key_request = _close(issuance, IssuanceState.NEVER_CREATED)
        details = {"marker": issuance.marker, "looks": looks}
        action = "key.breach" if issuance.key_sid else "key.never_created"
        record(action, visit.actor, key_request=key_request, key_sid=issuance.key_sid, **details)
        visit.found.never_created += 1


def _close(issuance: Issuance, outcome: IssuanceState, **values: object) -> KeyRequest:
    """Settle an attempt, and return the request to a state it can go on from, with at least an hour to do so.

    An attempt that noted a SID before made a key with another policy.
    """
    if issuance.key_sid:
        outcome = IssuanceState.BREACH
    key_request = close_issuance(issuance, outcome, **values)
    claim_until = max(key_request.claim_until, timezone.now() + timedelta(hours=1))
    move_on(issuance, key_request, outcome, claim_until=claim_until)
    return key_request
