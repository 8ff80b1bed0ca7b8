"""The page a user starts from: what they have to do."""

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from keys_app.organisation import access
from keys_app.organisation.first_steps import why_no_request
from keys_app.reconcile.queries import last_run, reconciler_warning
from keys_app.reports.todo import sections_for, waiting_for_others
from keys_app.views.http.signed_in import SignedInRequest


@require_safe
def home(request: SignedInRequest) -> HttpResponse:
    """Show what this person has to do, the most urgent first, and what waits for others."""
    who = access.person(request.user)
    accounts = list(access.accounts_for(who))
    sections = sections_for(who)
    context = {
        "sections": sections,
        "waiting": next((section.rows for section in sections if section.name == "waiting"), []),
        "others": waiting_for_others(who),
        "leads_teams": bool(who.own_led_team_ids),
        "accounts": accounts,
        "reconciler_warning": reconciler_warning(last_run()) if who.is_security else "",
        "sends_mail": settings.SENDS_MAIL,
        "can_request": bool(accounts),
        "why_no_request": "" if accounts else why_no_request(who),
    }
    return render(request, "portal/home.html", context)
