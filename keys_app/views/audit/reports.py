"""Reports for Security: live keys at a glance, what needs a look, who decided what, one key's or person's file."""

from datetime import timedelta
from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_safe

from keys_app.audit import ledger
from keys_app.core.errors import PortalError
from keys_app.core.times import stamp
from keys_app.keys.models import ApiKey
from keys_app.organisation import access
from keys_app.reconcile.queries import drifted_keys, unmanaged_keys
from keys_app.reports import decisions, downloads, live_keys
from keys_app.users.limits import TooMany
from keys_app.views.http.actor import actor_of
from keys_app.views.http.decorators import security_only
from keys_app.views.http.fresh import fresh_download
from keys_app.views.http.problem import problem, with_wait
from keys_app.views.http.signed_in import SignedInRequest
from keys_app.views.lists import DECISIONS

from .downloads import download

SOON = (7, 30, 90)
SHOWN = 20


@require_safe
@security_only
def reports(request: SignedInRequest) -> HttpResponse:
    """Show the live keys at a glance, and the way to the other reports."""
    return _overview(request)


def _overview(request: SignedInRequest, *, errors: dict[str, str] | None = None, status: int = 200) -> HttpResponse:
    context = {
        "live": live_keys.live_keys(),
        "expiring": live_keys.expiring_keys(timedelta(days=30)).count(),
        "unconfirmed": live_keys.unconfirmed_keys().count(),
        "drifted": drifted_keys().count(),
        "unmanaged": unmanaged_keys().count(),
        "errors": errors or {},
        "typed": {name: request.GET.get(name, "")[:200] for name in ("key", "person")},
    }
    return render(request, "portal/audit_reports.html", context, status=status)


@require_safe
@security_only
def report_keys(request: SignedInRequest) -> HttpResponse:
    """Show the keys whose lifetime is over soon, those nobody confirmed, and what is at Twilio and was not approved."""
    chosen = request.GET.get("days", "30")
    days = int(chosen) if chosen in map(str, SOON) else 30
    found = {
        "expiring": live_keys.expiring_keys(timedelta(days=days)),
        "unconfirmed": live_keys.unconfirmed_keys(),
        "drifted": drifted_keys().select_related("request"),
        "unmanaged": unmanaged_keys(),
    }
    lists: dict[str, list[Any]] = {name: list(keys[:SHOWN]) for name, keys in found.items()}
    counts = {name: len(keys) if len(keys) < SHOWN else found[name].count() for name, keys in lists.items()}
    seen = ledger.last_times("key.drifted", [key.pk for key in lists["drifted"]])
    for key in lists["drifted"]:
        key.drifted_at = seen.get(key.pk)
    context = {"days": days, "soon": SOON, "shown": SHOWN, "counts": counts, **lists}
    return render(request, "portal/audit_report_keys.html", context)


@require_safe
@security_only
def report_decisions(request: SignedInRequest) -> HttpResponse:
    """Show who approved and rejected what; `lists.DECISIONS` says how it is searched, narrowed and sorted."""
    listing = DECISIONS.page(request, decisions.decisions(), access.person(request.user))
    issued = decisions.issued_of(listing.rows)
    for row in listing.rows:
        row.key_sids = issued.get(row.request_id, [])
    return render(request, "portal/audit_report_decisions.html", {"listing": listing})


@require_GET
@security_only
@fresh_download
def report_about(request: SignedInRequest) -> HttpResponseBase:
    """Send everything about one key (`?key=SK…`) or one person (`?person=user name`) as a file."""
    sid, login = (request.GET.get(name, "").strip()[:200] for name in ("key", "person"))
    if bool(sid) == bool(login):
        return _overview(request, errors={"key": "Give a key’s SID or a user name."}, status=422)
    keys = ApiKey.objects.select_related("owner", "team", "request__requester", "request__team")
    found = keys.filter(pk=sid).first() if sid else access.same_login(login)
    if found is None:
        what = "The portal has no key with this SID." if sid else "Nobody has this user name."
        return _overview(request, errors={"key" if sid else "person": what}, status=422)
    try:
        pieces = downloads.export_about(subject=found, actor=actor_of(request))
    except TooMany as error:
        return with_wait(_overview(request, errors={"key" if sid else "person": error.message}), error)
    except PortalError as error:
        return problem(request, error, back_url=reverse("portal:audit_reports"), back_label="Back to the reports")
    name = f"{sid or f'person-{found.pk}'}-{stamp(timezone.now())}"
    return download(pieces, "application/x-ndjson", "jsonl", name=name)
