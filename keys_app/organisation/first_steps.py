"""Why a user can ask for no key yet, and whom they ask for what is missing, by name."""

from django.db.models import Q

from keys_app.core.actor import name_list
from keys_app.core.text import joined

from .access import ENGINEERS, TEAM_LEADS, Person, accounts_for, leads_by_team, portal_admins
from .models import Team


def why_no_request(who: Person) -> str:
    """Return what is missing before this person can ask for a key, with whom to ask for it; empty if nothing is.

    Who is in Security, or is a portal admin, asks for none, so nothing is missing.
    """
    if who.is_security or who.user.is_superuser or accounts_for(who).exists():
        return ""
    admin = _admin()
    teams = Team.objects.filter(Q(pk__in=who.team_ids)).order_by("name")
    if not teams:
        return f"You cannot request a key: you are in no team. Ask {admin} to add you to yours."
    named = f"{'team' if len(teams) == 1 else 'teams'} {joined([team.name for team in teams])}"
    if not who.may_request:
        return (
            f"You cannot request a key: you are in {named}, but neither in {ENGINEERS} nor in {TEAM_LEADS}. "
            f"Ask {admin} for that role."
        )
    leads = {lead for found in leads_by_team(teams).values() for lead in found if lead != who.user}
    knows = f" {name_list(sorted(leads, key=lambda lead: lead.username))} leads it and may know which." if leads else ""
    return f"You cannot request a key: no Twilio account is connected for {named}. Ask {admin} to connect one.{knows}"


def _admin() -> str:
    admins = list(portal_admins().order_by("username"))
    return name_list(admins) if admins else "a portal admin"
