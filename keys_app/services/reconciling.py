"""Settles what a lost answer, a killed process or somebody outside the portal left open.

For each account: first the deletions that are due, then Twilio's whole list is compared with the portal's
records, by SID and then by marker. Every step is a compare-and-swap with its event in the same transaction, so
that several reconcilers may run at once, and each may be killed at any point.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import asdict

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from ..domain.errors import Conflict, PortalError
from ..domain.states import KeyState
from ..models import Account, AccountCheck, ApiKey, ReconcileRun
from ..twilio_iam.errors import TwilioError
from ..twilio_iam.patience import Patience
from . import notifications
from .actors import Actor, record
from .breaches import enter_kept
from .catalogue_checking import settle_probes
from .comparing import compare_keys
from .credentials import client_for
from .inventory import take_inventory
from .leaving import note_leavers
from .lifecycle import carry_out, revoke_due
from .orphans import settle_attempts
from .reminding import remind_of_expiry
from .repeats import sum_up
from .requests import lapse_overdue
from .visit import Findings, Visit, is_about_all

log = logging.getLogger(__name__)

RUNS_KEPT = 200
"""How many runs that found nothing are kept, and as many that found something."""


def reconcile(
    actor: Actor | None = None,
    *,
    progress: Callable[[str], None] = lambda _: None,
    wait: Callable[[float], object] = time.sleep,
) -> Findings:
    """Go once over every account. One account's outage does not stop the others.

    `progress` gets a line now and then for somebody who watches; `wait` gets the seconds to pause when Twilio
    is busy, at most `RECONCILE_PATIENCE` in all for each account.
    """
    actor = actor or Actor.system("reconciler")
    run = ReconcileRun.objects.create(started_at=timezone.now())
    found = Findings()
    try:
        enter_kept(actor)
        found.owners_left = note_leavers(actor)
        revoke_due(actor)
        for account in Account.objects.order_by("sid"):
            _reconcile_account(account, actor, found, progress, wait)
        found.reminded = remind_of_expiry(actor)
        found.lapsed = lapse_overdue(actor)
        sum_up()
    except Exception as error:
        run.error = f"The run broke off: {type(error).__name__}."
        raise
    finally:
        _close_run(run, found)
    return found


def _reconcile_account(
    account: Account,
    actor: Actor,
    found: Findings,
    progress: Callable[[str], None],
    wait: Callable[[float], object],
) -> None:
    patience = Patience(wait=wait, left=settings.RECONCILE_PATIENCE)
    try:
        with client_for(account, patience=patience) as client:
            trouble = _visit(Visit(client, account, actor, found, progress))
    except PortalError as error:  # the credential cannot be read
        trouble = error.message
        _note_failure(account, trouble, actor)
    except Exception:  # whatever it is about this account, keys on the others must still be deleted
        log.exception("account %s could not be reconciled", account.sid)
        trouble = "The portal itself failed; see its log."
        _note_failure(account, trouble, actor)
    if trouble:
        found.accounts_failed += 1
        log.warning("account %s could not be reconciled: %s", account.sid, trouble)
        progress(f"{account}: {trouble}")


def _visit(visit: Visit) -> str:
    """Do all there is to do on an account; return what went wrong first. A failing step does not stop the rest."""
    account, steps = visit.account, [carry_out_revocations]
    trouble = ""
    try:
        visit.list_keys()
        _note_success(visit)
        visit.progress(f"{account}: {len(visit.listed)} keys listed, comparing")
        steps += [settle_attempts, _settle_probes, compare_keys, take_inventory]
    except TwilioError as error:
        trouble = error.message
        _note_failure(account, trouble, visit.actor)
    for step in steps:
        try:
            step(visit)
        except TwilioError as error:
            trouble = trouble or error.message
    return trouble


def carry_out_revocations(visit: Visit) -> None:
    """Delete what is to be deleted, in no order, so that one key that cannot be deleted does not keep others."""
    found = visit.found
    revoking = ApiKey.objects.filter(account=visit.account, state=KeyState.REVOKING).select_related("account")
    waiting = list(revoking.order_by("?")[: settings.RECONCILE_DELETES])
    for number, key in enumerate(waiting):
        if not visit.may_delete():
            return
        try:
            carry_out(visit.client, key, visit.actor)
            found.revoked += 1
        except Conflict:
            continue
        except TwilioError as error:
            found.not_revoked += 1
            if is_about_all(error):
                found.not_revoked += len(waiting) - number - 1
                raise


def _settle_probes(visit: Visit) -> None:
    listed = {marker: keys[0] for marker, keys in visit.by_marker().items()}
    deleted, closed, still_open = settle_probes(visit.client, visit.account, listed, visit.began_at, visit.actor)
    visit.found.orphans_deleted += deleted
    visit.found.never_created += closed
    visit.found.still_open += still_open


def _note_success(visit: Visit) -> None:
    """Keep when the account was listed whole; say so if it had been reported as unreachable."""
    state, _ = AccountCheck.objects.get_or_create(account=visit.account)
    with transaction.atomic(durable=True):
        reported = AccountCheck.objects.filter(pk=state.pk, failed_runs__gte=settings.RECONCILE_FAILED_RUNS)
        was_reported = reported.update(failed_runs=0)
        AccountCheck.objects.filter(pk=state.pk).update(
            last_complete_at=visit.began_at,
            keys_listed=len(visit.listed),
            failed_runs=0,
            failing_since=None,
            last_error="",
        )
        if was_reported:
            record("account.reachable", visit.actor, account=visit.account)


def _note_failure(account: Account, trouble: str, actor: Actor) -> None:
    """Count a failed run; report the account once when there were too many in a row."""
    state, _ = AccountCheck.objects.get_or_create(account=account)
    rows = AccountCheck.objects.filter(pk=state.pk)
    with transaction.atomic(durable=True):
        rows.filter(failing_since=None).update(failing_since=timezone.now())
        rows.update(failed_runs=F("failed_runs") + 1, last_error=trouble[:400])
        state.refresh_from_db()
        if state.failed_runs != settings.RECONCILE_FAILED_RUNS:
            return
        notifications.notify(
            "alarm.account_unreachable",
            title=f"Twilio account {account} could not be compared {state.failed_runs} times in a row",
            text=f"{trouble} Keys past their lifetime and keys with lost secrets stay there until it works again.",
            path="/reconciliation/",
        )
        record("account.unreachable", actor, account=account, message=trouble, runs=state.failed_runs)


def _close_run(run: ReconcileRun, found: Findings) -> None:
    """Store what a run found, and forget the oldest runs."""
    run.finished_at = timezone.now()
    run.findings = asdict(found)
    quiet = {**run.findings, "looked_at": 0, "still_open": 0}
    run.found_something = bool(run.error) or any(quiet.values())
    run.save()
    for kind in (True, False):
        rows = ReconcileRun.objects.filter(found_something=kind)
        oldest = rows.values_list("pk", flat=True)[RUNS_KEPT - 1 : RUNS_KEPT].first()
        if oldest:
            rows.filter(pk__lt=oldest).delete()
