"""Settles what a lost answer, a killed process or somebody outside the portal left open.

For each account: first the deletions that are due, then Twilio's whole list is compared with the portal's
records, by SID and then by marker. Every step is a compare-and-swap with its event in the same transaction, so
that several reconcilers may run at once, and each may be killed at any point.
"""

import hashlib
import logging
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import asdict
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from keys_app.audit.incarnation import set_backs
from keys_app.audit.record import record
from keys_app.audit.throttle import sum_up
from keys_app.core.actor import Actor
from keys_app.core.errors import PortalError
from keys_app.core.isolation import Failures, isolated, note_failure, noting_failures
from keys_app.core.present import present
from keys_app.core.times import day
from keys_app.key_requests.expire import lapse_overdue
from keys_app.key_requests.rating import RATING_AGAIN, rate_open_requests
from keys_app.keys import refusals
from keys_app.keys.breaches import enter_kept
from keys_app.keys.expiry import remind_of_expiry
from keys_app.keys.handover import note_leavers
from keys_app.keys.revoke import revoke_ended, revoke_expired
from keys_app.notifications import notify, troubles
from keys_app.organisation import drafts, sent_forms
from keys_app.organisation.credentials import client_for
from keys_app.organisation.models import Account
from keys_app.twilio_iam.errors import TwilioError
from keys_app.twilio_iam.retry import Patience
from keys_app.users import sessions
from keys_app.users.feed_tokens import check_tokens
from keys_app.users.limits import clear_old

from . import holds
from .account_run import ITSELF, RunFindings, Visit
from .connections import SETTLING, settle_connections, settle_elsewhere
from .contradictions import settle_contradictions
from .deadlines import note_waiting
from .doubtful import DELETING, carry_out_decisions
from .drift import compare_keys
from .guard_check import look_and_tell
from .health import note_health, note_listing
from .models import ReconcileRun
from .orphans import settle_attempts
from .probes import settle_probes
from .revocations import carry_out_revocations
from .unmanaged import take_inventory

log = logging.getLogger(__name__)

NEWS_AFTER = timedelta(days=1)
RUNS_KEPT = 200
"""How many runs that found nothing are kept, and as many that found something."""


def reconcile(
    actor: Actor | None = None,
    *,
    progress: Callable[[str], None] = lambda _: None,
    wait: Callable[[float], object] = time.sleep,
) -> RunFindings:
    """Go once over every account. Nothing that fails stops the rest: Security is told of it, once a day at most.

    `progress` gets a line now and then for somebody who watches; `wait` gets the seconds to pause when Twilio
    is busy, at most `RECONCILE_PATIENCE` in all for each account.
    """
    actor = actor or Actor.system("reconciler")
    run = ReconcileRun.objects.create(started_at=timezone.now())
    found = RunFindings()
    with noting_failures() as failures:
        try:
            with isolated("recording breaches kept in files"):
                enter_kept(actor)
            with isolated("revoking what has expired"):
                revoke_expired(actor)
            with ExitStack() as clients:
                visits = _list_all(clients, actor, found, progress, wait)
                if _may_rely_on_records(visits, actor):
                    _do_what_is_due(visits, found, actor)
                for visit in visits:
                    _settle(visit)
                said = {about: words for visit in visits for about, words in visit.said.items()}
            with isolated(SETTLING):
                settle_elsewhere({visit.account.sid for visit in visits if not visit.problem}, actor, found, wait)
            with isolated("looking at what guards the database"):
                look_and_tell(actor)
            with isolated("noting what waits too long"):
                note_waiting(said, actor)
                troubles.remind()
                troubles.forget_old()
            with isolated("reminders"):
                found.reminded = remind_of_expiry(actor)
            with isolated("feed tokens"):
                check_tokens()
            with isolated("sums of repetitions"):
                sum_up()
            with isolated("old uses of limits"):
                clear_old()
            with isolated("old forms"):
                sent_forms.clear_old()
            with isolated("old drafts"):
                drafts.clear_old()
            with isolated("old sessions"):
                sessions.clear_old()
        except Exception as error:  # such a run is not one that went well
            note_failure("a whole run", "", error)
            raise
        finally:
            found.failures = len(failures.kinds)
            _close_run(run, found, failures, actor)
    return found


def _list_all(
    clients: ExitStack,
    actor: Actor,
    found: RunFindings,
    progress: Callable[[str], None],
    wait: Callable[[float], object],
) -> list[Visit]:
    """List every account before anything is done on one: any of them may show that the database was set back."""
    visits = []
    # Those that failed before come after the others, which they then do not delay.
    in_turn = F("check_state__failed_runs").asc(nulls_first=True), "sid"
    for account in Account.objects.order_by(*in_turn):
        patience = Patience(wait=wait, left=settings.RECONCILE_PATIENCE)
        with isolated("an account", account):
            try:
                client = clients.enter_context(client_for(account, patience=patience))
            except PortalError as error:  # the credential cannot be read
                note_health(account, error.message, actor)
                _count_failure(account, error.message, found, progress)
                continue
            visit = Visit(client, account, actor, found, progress)
            visits.append(visit)
            visit.is_listed = _list(visit)
    return visits


def _may_rely_on_records(visits: list[Visit], actor: Actor) -> bool:
    """Find out whether the database was set back, and tell each visit; false if it was and nobody has looked yet.

    Also false where that cannot be found out.
    """
    looked = False
    with isolated("looking whether the database was set back"):
        incarnation = holds.look()
        for visit in visits:
            holds.find_lost(visit)
        held, set_back_at = set_backs.is_held(), set_backs.last_found_at()
        for visit in visits:
            visit.held, visit.set_back_at, visit.incarnation = held, set_back_at, incarnation
        looked = True
    with isolated("telling of a hold"):
        holds.tell(actor)
    return looked and not set_backs.is_held()


def _do_what_is_due(visits: list[Visit], found: RunFindings, actor: Actor) -> None:
    """Do what rests on the portal's records alone."""
    with isolated("the keys of users who left"):
        found.owners_left = note_leavers(actor)
    with isolated("revoking what is due"):
        revoke_ended([visit.account for visit in visits if visit.is_listed], actor)
    with isolated("lapsing requests"):
        found.lapsed = lapse_overdue(actor)
    with isolated(RATING_AGAIN):
        rate_open_requests(actor)


def _settle(visit: Visit) -> None:
    """Do all there is to do on an account. A failing step does not stop the rest."""
    problem = ITSELF
    with isolated("an account", visit.account):
        steps = {"deleting keys": carry_out_revocations, DELETING: carry_out_decisions}
        if visit.is_listed:
            visit.progress(f"{visit.account}: {len(visit.listed)} keys listed, comparing")
            steps |= {
                "settling attempts": settle_attempts,
                "settling catalogue checks": settle_probes,
                SETTLING: settle_connections,
                "comparing keys": compare_keys,
                "taking the inventory": take_inventory,
            }
        steps["noting contradictions"] = settle_contradictions
        for name, step in steps.items():
            with suppress(TwilioError), visit.attempt(name):
                step(visit)
        problem = visit.problem
    with isolated("noting how an account is", visit.account):
        note_health(visit.account, problem, visit.actor, is_refused=visit.is_refused)
    with isolated(refusals.TELLING, visit.account):
        refusals.end_over(visit.account, visit.actor, is_well=visit.is_listed and not problem)
    if problem:
        _count_failure(visit.account, problem, visit.found, visit.progress)


def _count_failure(account: Account, problem: str, found: RunFindings, progress: Callable[[str], None]) -> None:
    found.accounts_failed += 1
    log.warning("account %s could not be reconciled: %s", account.sid, problem)
    progress(f"{account}: {problem}")


def _list(visit: Visit) -> bool:
    """List the account's keys; tell whether there is a whole list."""
    listed = False
    with suppress(TwilioError), visit.attempt("listing keys"):
        visit.list_keys()
        listed = True
        note_listing(visit)
    return listed


def _close_run(run: ReconcileRun, found: RunFindings, failures: Failures, actor: Actor) -> None:
    """Store what a run found, tell of what failed in it, and forget the oldest runs."""
    run.finished_at = timezone.now()
    run.error = (
        f"Failed: {failures.words}."[: ReconcileRun._meta.get_field("error").max_length] if failures.kinds else ""
    )
    run.findings = {**asdict(found), "failed": failures.kinds}
    quiet = {**run.findings, "compared": 0, "still_open": 0}
    run.found_something = bool(run.error) or any(quiet.values())
    run.save()
    if failures.kinds:
        with isolated("telling of what failed"):
            _tell_of(run, failures, actor)
    for kind in (True, False):
        rows = ReconcileRun.objects.filter(found_something=kind)
        oldest = rows.values_list("pk", flat=True)[RUNS_KEPT - 1 : RUNS_KEPT].first()
        if oldest:
            rows.filter(pk__lt=oldest).delete()


def _tell_of(run: ReconcileRun, failures: Failures, actor: Actor) -> None:
    """Alarm Security of kinds of failure that no run of the last day had."""
    earlier = ReconcileRun.objects.filter(finished_at__gt=timezone.now() - NEWS_AFTER).exclude(pk=run.pk)
    known = {kind for findings in earlier.values_list("findings", flat=True) for kind in findings.get("failed", [])}
    new = [kind for kind in failures.kinds if kind not in known]
    if not new:
        return
    once = hashlib.sha256("\n".join(new).encode()).hexdigest()
    with transaction.atomic(durable=True):
        notify.notify(
            "alarm.reconciler_failed",
            title="The reconciler could not do everything",
            text=f"{run.error} Everything else was done. The portal's log says more.",
            path="/reconciliation/",
            key=f"alarm.reconciler_failed:{day(present(run.finished_at))}:{once}",
        )
        record("reconciler.failed", actor, failed=new)
