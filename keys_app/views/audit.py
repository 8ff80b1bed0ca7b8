"""The audit table, for Security."""

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ..audit import ledger
from ..domain.risk import explain
from .refusals import require_security

PAGE_SIZE = 100


@require_safe
def audit_list(request: HttpRequest) -> HttpResponse:
    """Show events, newest first, after `?before=SEQUENCE` where given."""
    require_security(request)
    filters = {name: request.GET.get(name, "").strip()[:200] for name in ("action", "actor", "account")}
    rows = ledger.matching(**filters)
    before = request.GET.get("before", "")
    if before.isdecimal() and len(before) < 19:
        rows = rows.filter(sequence__lt=int(before))
    page = list(rows[: PAGE_SIZE + 1])
    next_url = None
    if len(page) > PAGE_SIZE:
        page = page[:PAGE_SIZE]
        kept = {name: value for name, value in filters.items() if value}
        next_url = "?" + urlencode({**kept, "before": page[-1].sequence})
    for event in page:
        event.reasons = explain(event.permissions)
    return render(request, "portal/audit_list.html", {"events": page, "next_url": next_url, "filters": filters})
