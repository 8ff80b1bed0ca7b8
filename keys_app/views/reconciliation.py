"""How the reconciler is doing, for Security."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from .. import selectors
from ..selectors.signed_in import SignedInRequest
from ..status import run_in_words
from .pages import security_only

RUNS_SHOWN = 20


@require_safe
@security_only
def reconciliation(request: SignedInRequest) -> HttpResponse:
    """Show each account's state, the last run, and the last runs that found something."""
    last = selectors.last_run()
    runs = list(selectors.runs_with_findings()[:RUNS_SHOWN])
    for run in [*runs, *([last] if last else [])]:
        run.words = run_in_words(run)
    context = {
        "last": last,
        "warning": selectors.reconciler_warning(),
        "runs": runs,
        "accounts": selectors.account_checks(),
        "drifted": selectors.drifted_keys()[:RUNS_SHOWN],
    }
    return render(request, "portal/reconciliation.html", context)
