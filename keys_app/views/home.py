"""The page a user starts from."""

from django.db.models import Case, IntegerField, Value, When
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from keys_app.key_requests import deciders
from keys_app.key_requests.queries import OPEN_REQUESTS, TO_PRESS, visible_requests
from keys_app.keys.queries import LIVE_KEYS, visible_keys
from keys_app.organisation import access
from keys_app.reconcile.queries import last_run, reconciler_warning
from keys_app.views.http.signed_in import SignedInRequest

SHOWN = 20


@require_safe
def home(request: SignedInRequest) -> HttpResponse:
    """Show what waits for this person, and what is theirs."""
    who = access.person(request.user)
    accounts = list(access.accounts_for(who))
    mine = visible_requests(who).filter(requester=request.user, state__in=OPEN_REQUESTS)
    to_press = Case(When(state__in=TO_PRESS, then=Value(0)), default=Value(1), output_field=IntegerField())
    context = {
        "waiting": deciders.waiting_for(who)[:SHOWN] if who.is_approver else [],
        "to_review": deciders.reviewable(who)[:SHOWN] if who.is_approver else [],
        "leads_teams": bool(who.own_led_team_ids),
        "shown": SHOWN,
        "my_requests": mine.order_by(to_press, "-created_at")[:SHOWN],
        "my_requests_count": mine.count(),
        "my_keys": visible_keys(who).filter(owner=request.user, state__in=LIVE_KEYS)[:SHOWN],
        "accounts": accounts,
        "reconciler_warning": reconciler_warning(last_run()) if who.is_security else "",
        "can_request": bool(accounts),
    }
    return render(request, "portal/home.html", context)
