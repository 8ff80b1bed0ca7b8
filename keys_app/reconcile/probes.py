"""Deletes the keys that a check of the catalogue left behind."""

from functools import partial

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from keys_app.audit.record import record
from keys_app.catalogue.check import close_probe
from keys_app.catalogue.models import Probe
from keys_app.core.db import compare_and_swap
from keys_app.twilio_iam.ensure_deleted import delete_at_twilio

from .account_run import Visit, chunks
from .proof import of_probe, proved_key


def settle_probes(visit: Visit) -> None:
    """Delete every key that a check provably left behind, and close its probe. Raises `TwilioError`.

    Proved is a key whose SID Twilio's answer gave, or one that passes every test; what only bears a probe's marker is
    left in `visit.doubts`, for a person. A probe whose key is not listed is closed after the grace period only. A check
    that may still wait for Twilio is left alone.
    """
    listed = visit.by_marker
    here = Probe.objects.filter(account=visit.account)
    in_flight = Q(finished_at=None, in_flight_until__gt=visit.began_at)
    found = [one for markers in chunks(sorted(visit.strangers)) for one in here.filter(marker__in=markers)]
    missing = here.filter(finished_at=None).exclude(in_flight)
    for probe in [*found, *(one for one in missing if one.marker not in listed)]:
        if probe.finished_at is None and probe.in_flight_until > visit.began_at:
            continue
        with visit.attempt("settling catalogue checks", probe.marker):
            _settle(visit, probe, _its_key(visit, probe))


def _its_key(visit: Visit, probe: Probe) -> str:
    """Return the SID of the key that is provably the probe's; empty if none is. What is doubtful is noted."""
    attempt_with = partial(of_probe, probe)
    return proved_key(visit, probe.marker, probe.key_sid, is_open=probe.finished_at is None, attempt_with=attempt_with)


def _settle(visit: Visit, probe: Probe, sid: str) -> None:
    if sid:
        visit.found.orphans_deleted += _delete_leftover(visit, probe, sid)
    elif probe.finished_at is None and probe.marker not in visit.by_marker:
        if timezone.now() - probe.started_at < settings.RECONCILE_GRACE:
            visit.found.still_open += 1
        else:
            visit.found.never_created += _give_up(visit, probe)


def _delete_leftover(visit: Visit, probe: Probe, sid: str) -> bool:
    """Delete a key of a check and close its probe; tell whether there was one, or a probe to close.

    Which key it is stands in an open probe before the key is deleted, so that whoever is killed in between does
    not leave the deletion out of the ledger.
    """
    settled_with_it = Q(finished_at__isnull=False, key_sid=sid)  # then only the listing is old
    compare_and_swap(probe, ~settled_with_it, key_sid=sid, finished_at=None)
    delete_at_twilio(visit.client, account_sid=visit.account.sid, key_sid=sid)
    with transaction.atomic(durable=True):
        was_open = close_probe(probe)
        if was_open:
            record("key.orphan_deleted", visit.actor, account=visit.account, key_sid=sid, marker=probe.marker)
    return was_open


def _give_up(visit: Visit, probe: Probe) -> bool:
    with transaction.atomic(durable=True):
        was_open = close_probe(probe)
        if was_open:
            message = "No such key was listed within the grace period."
            record("catalogue.key_not_made", visit.actor, account=visit.account, marker=probe.marker, message=message)
    return was_open
