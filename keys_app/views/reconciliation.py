"""How the reconciler is doing, for Security."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from keys_app.notifications.troubles import known
from keys_app.reconcile.queries import account_checks, drifted_keys, last_run, reconciler_warning, runs_with_findings
from keys_app.views.http.decorators import security_only
from keys_app.views.http.signed_in import SignedInRequest
from keys_app.wording import run_in_words

RUNS_SHOWN = 20


@require_safe
@security_only
def reconciliation(request: SignedInRequest) -> HttpResponse:
    """Show what is in trouble, each account's state, the last run, and the last runs that found something."""
    last = last_run()
    runs = list(runs_with_findings()[:RUNS_SHOWN])
    for run in [*runs, *([last] if last else [])]:
        run.words = run_in_words(run)
    context = {
        "last": last,
        "warning": reconciler_warning(),
        "troubles": known(),
        "runs": runs,
        "accounts": account_checks(),
        "drifted": drifted_keys()[:RUNS_SHOWN],
    }
    return render(request, "portal/reconciliation.html", context)
