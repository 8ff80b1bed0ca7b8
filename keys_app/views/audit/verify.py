"""Verifying the ledger from a page, and the file that verifies exports without the portal."""

import threading
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.http import FileResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.views.decorators.http import require_http_methods, require_safe

from keys_app.audit import ledger, offline_verifier
from keys_app.audit.merkle import checkpoints, proofs
from keys_app.audit.merkle.parts import seams
from keys_app.core.errors import Conflict
from keys_app.reconcile.ledger_check import LedgerCheck
from keys_app.views.http.access import require_security
from keys_app.views.http.actor import actor_of
from keys_app.views.http.problem import problem
from keys_app.views.http.signed_in import SignedInRequest

SHOWN_STEPS = 20
_PROGRESS = "<!--progress-->"
_BUSY = "A verification is running already. Wait for its end, and look at its result here."
_running = threading.Lock()


@require_http_methods(["GET", "HEAD", "POST"])
def audit_verify(request: SignedInRequest) -> HttpResponseBase:
    """Show the last result and the age of the last checkpoint; on a POST verify now, showing how far it is.

    The answer to the POST is sent while it runs, so it can take as long as the ledger needs, one at a time in
    each process. Whoever leaves the page stops it; a result is recorded only if it came to its end.
    """
    require_security(request)
    if request.method != "POST":
        return render(request, "portal/audit_verify.html", _standing())
    if _running.locked():
        return problem(request, Conflict(_BUSY), back_url=request.path, back_label="Back to verification")
    return StreamingHttpResponse(_page(request))


def _standing() -> dict[str, object]:
    """Return what is known without verifying anything."""
    last, size = checkpoints.latest(), proofs.size()
    event = ledger.last("audit.verified")
    return {
        "event": event,
        "result": event.details if event else None,
        "checkpoint": last,
        "size": size,
        "unsigned": size - (last.size if last else 0),
        "seams": seams(),
        "keys": list(map(str, checkpoints.verifier_keys())) if settings.AUDIT_SIGNING_KEY else [],
        "directory": settings.CHECKPOINT_DIR,
    }


def _page(request: SignedInRequest) -> Iterator[str]:
    """Yield the page in pieces. It is closed in the end, whether everything was sent or the client hung up."""
    page = render_to_string("portal/audit_verify.html", {"running": True}, request)
    before, _, after = page.partition(_PROGRESS)
    yield before
    if _running.acquire(blocking=False):
        try:
            check = LedgerCheck(actor_of(request))
            yield from _progress(check)
            found = {"found": check.found, "recorded": check.recorded, "unguarded": check.unguarded}
            yield render_to_string("portal/partials/audit_verified.html", found)
        finally:
            _running.release()
    else:
        yield format_html("<p>{}</p>", _BUSY)
    yield after


def _progress(check: LedgerCheck) -> Iterator[str]:
    """Yield a line now and then. A browser shows what it has got."""
    size, shown = check.found.size, 0
    yield format_html("<p>{} events to verify.</p>\n", size)
    for done in check.run():
        if done * SHOWN_STEPS >= (shown + 1) * size:
            shown = done * SHOWN_STEPS // size
            yield format_html("<p>{} of {} events.</p>\n", done, size)


@require_safe
def audit_verifier(request: SignedInRequest) -> HttpResponseBase:
    """Hand out the file that verifies exports without the portal."""
    require_security(request)
    path = Path(offline_verifier.__file__)
    return FileResponse(path.open("rb"), as_attachment=True, filename="verifier.py", content_type="text/x-python")
