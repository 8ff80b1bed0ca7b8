"""A key as the audit knows it, whether or not the portal still has it."""

from datetime import UTC, datetime

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from keys_app.audit import ledger
from keys_app.audit.key_timeline import Period, life
from keys_app.catalogue import current
from keys_app.keys.models import ApiKey
from keys_app.permissions.risk import Risk, explain, policy_risk
from keys_app.views.http.decorators import security_only
from keys_app.views.http.signed_in import SignedInRequest

from .rows import rows

SHOWN = 200


@require_safe
@security_only
def audit_key(request: SignedInRequest, sid: str) -> HttpResponse:
    """Show what a key could do at each moment of its life, or at the moment `?at=`."""
    events = list(ledger.history(key_sid=sid))
    if not events:
        raise Http404("no event speaks of this key")
    periods = life(events)
    at, error = _moment(request.GET.get("at", ""))
    context = {
        "sid": sid,
        "key": ApiKey.objects.select_related("owner", "team", "account", "request").filter(pk=sid).first(),
        "periods": _explained(periods),
        "typed": request.GET.get("at", "")[:40],
        "at": at,
        "then": next((one for one in periods if at and one.holds(at)), None),
        "error": error,
        "rows": rows(reversed(events[-SHOWN:])),
        "many": len(events) > SHOWN,
    }
    return render(request, "portal/audit_key.html", context, status=422 if error else 200)


def _explained(periods: list[Period]) -> list[dict[str, object]]:
    """Return the periods, newest first, with their risk, what they allowed in words, and what changed."""
    known = current.current_catalogue()
    found: list[dict[str, object]] = []
    before: tuple[str, ...] = ()
    for period in periods:
        now = set(period.policy)
        found.append(
            {
                "period": period,
                "risk": Risk.CRITICAL if period.no_policy else policy_risk(period.policy) if period.policy else "",
                "reasons": explain(period.policy, known),
                "added": sorted(now - set(before)) if before else [],
                "removed": sorted(set(before) - now) if period.policy else [],
            }
        )
        before = period.policy
    return found[::-1]


def _moment(text: str) -> tuple[datetime | None, str]:
    """Return the moment somebody typed, in UTC where they name no zone, and what is wrong with it."""
    try:
        moment = datetime.fromisoformat(text.strip()) if text.strip() else None
        if moment is not None:
            moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None, "Write a time like 2026-11-01T09:30 (UTC)."
    return moment, ""
