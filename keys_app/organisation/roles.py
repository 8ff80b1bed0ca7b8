"""What each role means, in words, and which ones a user has."""

from dataclasses import dataclass

from django.contrib.auth.models import User

from keys_app.core.actor import name_and_login

from . import access
from .models import ProviderRight, TeamMembership
from .provider_groups import ADMIN as ADMIN_RIGHT
from .provider_groups import LEAD, ROLE, TEAM, Right

MEANINGS = {
    access.ENGINEERS: "Ask for keys for your teams’ accounts, and look after your own.",
    access.TEAM_LEADS: "Ask for keys as engineers do. In teams you lead, decide requests and look after all keys.",
    access.SECURITY: (
        "Read the audit, see every team’s requests and keys, revoke any key, decide what the rules leave to Security."
    ),
}
"""By group. A group without an entry gives no rights in the portal."""
ADMIN = "Portal admin"
ADMIN_MEANING = "Manage users, teams, accounts and rules. Portal admins decide no requests and read no audit."
BY_HAND = "given by a portal admin"
BY_PROVIDER = "by your groups at the sign-in provider"


@dataclass(frozen=True, slots=True)
class Role:
    """A role of a user, or their part in a team: what it lets them do, and where they have it from."""

    name: str
    meaning: str
    source: str = BY_HAND


def meaning_of(group: str) -> str:
    """Return what a group's members may do."""
    return MEANINGS.get(group, "No rights in this portal.")


def roles_of(user: User) -> list[Role]:
    """Return a user's roles, by name and with portal admin last; none for one who may do nothing."""
    sources = _Sources(user)
    roles = [Role(name, meaning_of(name), sources.of(Right(ROLE, name))) for name in sorted(access.person(user).groups)]
    return [*roles, Role(ADMIN, ADMIN_MEANING, sources.of(Right(ADMIN_RIGHT)))] if user.is_superuser else roles


def teams_of(user: User) -> list[Role]:
    """Return a user's teams, each with their part in it, and those where they stand in for a lead."""
    sources, teams = _Sources(user), []
    for one in TeamMembership.objects.filter(user=user).select_related("team").order_by("team__name"):
        rights = [Right(kind, str(one.team_id)) for kind in ([TEAM, LEAD] if one.is_lead else [TEAM])]
        teams.append(Role(str(one.team), _part(user, one), sources.of(*rights)))
    held = access.delegations_held(access.person(user))
    return teams + [Role(str(one.team), f"Deputy of {name_and_login(one.lead)}", "named by that lead") for one in held]


class _Sources:
    """Where a user has each right from."""

    def __init__(self, user: User) -> None:
        self._provided = set(ProviderRight.objects.filter(user=user).values_list("right", flat=True))

    def of(self, *rights: Right) -> str:
        sources = [BY_PROVIDER if str(right) in self._provided else BY_HAND for right in rights]
        return " and ".join(dict.fromkeys(sources))


def _part(user: User, membership: TeamMembership) -> str:
    leads = membership.is_lead and access.TEAM_LEADS in access.person(user).groups
    part = "Lead" if leads else "Member"
    return f"{part}, may break glass" if membership.may_break_glass else part
