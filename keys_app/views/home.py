"""The page a user starts from."""

from django.db.models import Case, IntegerField, Value, When
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from .. import selectors
from ..selectors.signed_in import SignedInRequest

SHOWN = 20


@require_safe
def home(request: SignedInRequest) -> HttpResponse:
    """Show what waits for this person, and what is theirs."""
    who = selectors.person(request.user)
    accounts = list(selectors.accounts_for(who))
    mine = selectors.visible_requests(who).filter(requester=request.user, state__in=selectors.OPEN_REQUESTS)
    to_press = Case(When(state__in=selectors.TO_PRESS, then=Value(0)), default=Value(1), output_field=IntegerField())
    context = {
        "waiting": selectors.waiting_for(who)[:SHOWN] if who.is_approver else [],
        "to_review": selectors.reviewable(who)[:SHOWN] if who.is_approver else [],
        "leads_teams": bool(who.own_led_team_ids),
        "shown": SHOWN,
        "my_requests": mine.order_by(to_press, "-created_at")[:SHOWN],
        "my_requests_count": mine.count(),
        "my_keys": selectors.visible_keys(who).filter(owner=request.user, state__in=selectors.LIVE_KEYS)[:SHOWN],
        "accounts": accounts,
        "reconciler_warning": selectors.reconciler_warning() if who.is_security else "",
        "can_request": bool(accounts),
    }
    return render(request, "portal/home.html", context)
