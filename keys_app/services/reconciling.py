"""Settles what a lost answer or a killed process left open, by comparing with Twilio's own list."""

import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from ..domain.errors import Conflict, PortalError
from ..domain.naming import find_marker
from ..domain.states import OPEN_ISSUANCES, IssuanceState, RequestState
from ..models import Account, Issuance, KeyRequest
from ..twilio_iam.client import KeySummary, TwilioIamClient
from ..twilio_iam.errors import TwilioError
from .actors import Actor, record
from .catalogue_checking import settle_probes
from .credentials import client_for
from .deleting import delete_at_twilio
from .issuing import close_issuance
from .lifecycle import revoke_expired
from .requests import lapse_overdue
from .transitions import move_request

log = logging.getLogger(__name__)

COMMIT_MARGIN = timedelta(seconds=30)
"""How long a process may need around the call for its two transactions. Longer only costs it the key."""

LOOKS_BEFORE_CLOSING = 3
"""A key was seen to turn up in the listing only after the first look, so one empty look proves nothing."""


@dataclass
class Findings:
    """What one run did, in numbers."""

    accounts_failed: int = 0
    orphans_deleted: int = 0
    never_created: int = 0
    still_open: int = 0
    revoked: int = 0
    not_revoked: int = 0
    lapsed: int = 0


def reconcile(actor: Actor | None = None) -> Findings:
    """Go once over every account. One account's outage does not stop the others."""
    actor = actor or Actor.system("reconciler")
    found = Findings()
    for account in Account.objects.order_by("sid"):
        try:
            with client_for(account) as client:
                _reconcile_account(client, account, actor, found)
        except (TwilioError, PortalError) as error:
            found.accounts_failed += 1
            log.warning("account %s could not be reconciled: %s", account.sid, error.message)
    found.revoked, found.not_revoked = revoke_expired(actor)
    found.lapsed = lapse_overdue(actor)
    return found


def _reconcile_account(client: TwilioIamClient, account: Account, actor: Actor, found: Findings) -> None:
    looked_at = timezone.now()
    listed = {
        marker: key for key in client.list_keys(account_sid=account.sid) if (marker := find_marker(key.friendly_name))
    }
    keyless = Issuance.objects.filter(request__account=account, key=None).select_related("request")
    for issuance in keyless.filter(marker__in=list(listed)):
        if not _in_flight(issuance):
            with suppress(Conflict):  # another reconciler settled it
                _delete_orphan(client, issuance, listed[issuance.marker], actor, found)
    for issuance in keyless.filter(state__in=OPEN_ISSUANCES, started_at__lt=looked_at).exclude(marker__in=list(listed)):
        if not _in_flight(issuance):
            _note_missing(issuance, actor, found)
    deleted, closed, still_open = settle_probes(client, account, listed, looked_at, actor)
    found.orphans_deleted += deleted
    found.never_created += closed
    found.still_open += still_open


def _in_flight(issuance: Issuance) -> bool:
    """Tell whether the process that started this attempt may still be waiting for Twilio's answer."""
    patience = timedelta(seconds=settings.TWILIO_DEADLINE) + COMMIT_MARGIN
    return issuance.state == IssuanceState.STARTED and issuance.started_at > timezone.now() - patience


def _delete_orphan(client: TwilioIamClient, issuance: Issuance, key: KeySummary, actor: Actor, found: Findings) -> None:
    """Delete a key nobody has the secret of, then let its request be issued again.

    An open attempt is claimed first: from then on the process that made the key, should it still be at
    work, cannot record it any more and does not show its secret.
    """
    was_open = issuance.state in OPEN_ISSUANCES
    if was_open and not _claim(issuance):
        return  # it was recorded, or settled, just now
    delete_at_twilio(client, account_sid=issuance.request.account_id, key_sid=key.sid)
    with transaction.atomic(durable=True):
        key_request = issuance.request
        if was_open:
            breach = bool(issuance.key_sid)
            outcome = IssuanceState.BREACH if breach else IssuanceState.ORPHAN_DELETED
            key_request = close_issuance(issuance, outcome, key_sid=key.sid)
            _reopen(key_request, RequestState.FAILED if breach else RequestState.APPROVED)
        record("key.orphan_deleted", actor, key_request=key_request, key_sid=key.sid, marker=issuance.marker)
    found.orphans_deleted += 1


def _claim(issuance: Issuance) -> bool:
    rows = Issuance.objects.filter(pk=issuance.pk, state__in=OPEN_ISSUANCES)
    return bool(rows.update(state=IssuanceState.UNKNOWN))


def _note_missing(issuance: Issuance, actor: Actor, found: Findings) -> None:
    """Count a look without the key; close the attempt after the grace period and enough looks."""
    Issuance.objects.filter(pk=issuance.pk).update(times_not_listed=F("times_not_listed") + 1)
    waited = timezone.now() - issuance.started_at
    if waited < settings.RECONCILE_GRACE or issuance.times_not_listed + 1 < LOOKS_BEFORE_CLOSING:
        found.still_open += 1
        return
    try:
        with transaction.atomic(durable=True):
            breach = bool(issuance.key_sid)
            outcome = IssuanceState.BREACH if breach else IssuanceState.NEVER_CREATED
            key_request = close_issuance(issuance, outcome)
            _reopen(key_request, RequestState.FAILED if breach else RequestState.APPROVED)
            record(
                f"key.{outcome.value}",
                actor,
                key_request=key_request,
                key_sid=issuance.key_sid,
                marker=issuance.marker,
                looks=issuance.times_not_listed + 1,
            )
    except Conflict:
        return  # another reconciler settled it
    found.never_created += 1


def _reopen(key_request: KeyRequest, state: RequestState) -> None:
    """Return the request to a state it can be issued from, with at least an hour to do so."""
    claim_until = max(key_request.claim_until, timezone.now() + timedelta(hours=1))
    move_request(key_request, state, claim_until=claim_until)
