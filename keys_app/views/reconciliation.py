"""How the reconciler is doing, for Security."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from keys_app.audit.incarnation import set_backs
from keys_app.core.errors import PortalError
from keys_app.notifications.troubles import known
from keys_app.reconcile import holds
from keys_app.reconcile.queries import (
    account_checks,
    drifted_keys,
    last_run,
    open_connections,
    reconciler_warning,
    runs_with_findings,
)
from keys_app.views.http.actor import actor_of
from keys_app.views.http.decorators import post_or_go_back, security_only
from keys_app.views.http.fresh import needs_fresh
from keys_app.views.http.problem import problem
from keys_app.views.http.signed_in import SignedInRequest
from keys_app.wording import connection_in_words, run_in_words

RUNS_SHOWN = 20
TROUBLES_SHOWN = 100


@require_safe
@security_only
def reconciliation(request: SignedInRequest) -> HttpResponse:
    """Show what is in trouble, each account's state, the last run, and the last runs that found something."""
    last = last_run()
    runs = list(runs_with_findings()[:RUNS_SHOWN])
    for run in [*runs, *([last] if last else [])]:
        run.words = run_in_words(run)
    found, in_trouble = set_backs.open_set_backs(), list(known()[: TROUBLES_SHOWN + 1])
    context = {
        "last": last,
        "warning": reconciler_warning(last),
        "set_backs": found,
        "held": holds.held() if found else [],
        "in_doubt": holds.keys_in_doubt(),
        "troubles": in_trouble[:TROUBLES_SHOWN],
        "more_troubles": in_trouble[TROUBLES_SHOWN:],
        "runs": runs,
        "accounts": account_checks(),
        "connections": [(one, connection_in_words(one)) for one in open_connections()],
        "drifted": drifted_keys()[:RUNS_SHOWN],
    }
    return render(request, "portal/reconciliation.html", context)


@post_or_go_back
@security_only
@needs_fresh
def resume(request: SignedInRequest) -> HttpResponse:
    """End the hold after a set-back of the database."""
    try:
        holds.end(actor_of(request))
    except PortalError as error:
        return problem(request, error, back_url="/reconciliation/", back_label="Back to Reconciliation")
    messages.success(request, "The hold is over. What waited is done in the reconciler’s next run.")
    return redirect("portal:reconciliation")
