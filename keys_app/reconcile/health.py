"""How an account is: that of its last step, not its first. A run in which any step failed is a failed run."""

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from keys_app.audit.record import record
from keys_app.core.actor import Actor
from keys_app.notifications import notify, troubles
from keys_app.organisation.models import Account

from .account_run import Visit
from .models import AccountCheck


def note_listing(visit: Visit) -> None:
    """Keep when the account was last listed whole, and how many keys it had."""
    AccountCheck.objects.update_or_create(
        account=visit.account, defaults={"last_complete_at": visit.began_at, "keys_listed": len(visit.listed)}
    )


def note_health(account: Account, problem: str, actor: Actor, *, is_refused: bool = False) -> None:
    """Note how a run on an account ended: `problem` is what went wrong first, empty if nothing did.

    `is_refused` says that only a portal admin can mend it: then they are told as well as Security.
    """
    if problem:
        _note_failure(account, problem, actor, is_refused)
    else:
        _note_success(account, actor)


def _note_success(account: Account, actor: Actor) -> None:
    """Say so if the account had been reported as failing."""
    state, _ = AccountCheck.objects.get_or_create(account=account)
    rows = AccountCheck.objects.filter(pk=state.pk)
    with transaction.atomic(durable=True):
        was_reported = rows.filter(failed_runs__gte=settings.RECONCILE_FAILED_RUNS).update(failed_runs=0)
        rows.update(failed_runs=0, failing_since=None, last_error="")
        if was_reported:
            record("account.reachable", actor, account=account)


def _note_failure(account: Account, problem: str, actor: Actor, is_refused: bool) -> None:
    """Count a failed run; report the account once when there were too many in a row."""
    state, _ = AccountCheck.objects.get_or_create(account=account)
    rows = AccountCheck.objects.filter(pk=state.pk)
    with transaction.atomic(durable=True):
        rows.filter(failing_since=None).update(failing_since=timezone.now())
        rows.update(failed_runs=F("failed_runs") + 1, last_error=problem[:400])
        state.refresh_from_db()
        if state.failed_runs != settings.RECONCILE_FAILED_RUNS:
            return
        title = f"Twilio account {account} could not be settled {state.failed_runs} times in a row"
        text = f"{problem} Keys past their lifetime and keys with lost secrets stay there until it works again."
        notify.notify("alarm.account_unreachable", title=title, text=text, path="/reconciliation/")
        if is_refused:
            notify.notify("account.unreachable", title=title, text=text, **troubles.to_admins(account))
        record("account.unreachable", actor, account=account, message=problem, runs=state.failed_runs)
