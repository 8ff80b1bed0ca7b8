"""Who somebody is: groups say what they may do, memberships for which teams."""

from dataclasses import dataclass
from functools import cached_property

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import QuerySet

from ..models import Account, Team, TeamMembership

ENGINEERS = "Engineers"
TEAM_LEADS = "Team leads"
SECURITY = "Security"


@dataclass
class Person:
    """A user with their rights: groups say what they may do, memberships for which teams."""

    user: AbstractBaseUser

    @cached_property
    def groups(self) -> frozenset[str]:
        return frozenset(self.user.groups.values_list("name", flat=True))

    @cached_property
    def _memberships(self) -> dict[int, bool]:
        return dict(TeamMembership.objects.filter(user=self.user).values_list("team_id", "is_lead"))

    @property
    def team_ids(self) -> list[int]:
        return list(self._memberships)

    @property
    def led_team_ids(self) -> list[int]:
        return [team for team, leads in self._memberships.items() if leads and TEAM_LEADS in self.groups]

    @property
    def is_security(self) -> bool:
        return SECURITY in self.groups

    @property
    def is_approver(self) -> bool:
        return self.is_security or bool(self.led_team_ids)

    @property
    def may_request(self) -> bool:
        return bool({ENGINEERS, TEAM_LEADS} & self.groups) and bool(self._memberships)


def person(user: AbstractBaseUser) -> Person:
    """Return the person for a user, remembered on that user object for the length of a web request."""
    known = getattr(user, "_portal_person", None)
    if known is None:
        known = user._portal_person = Person(user)  # type: ignore[attr-defined]
    return known


def display_name(user: AbstractBaseUser) -> str:
    return user.get_full_name() or user.get_username()


def accounts_for(who: Person) -> QuerySet[Account]:
    """Return the active accounts this person may ask keys for."""
    if not who.may_request:
        return Account.objects.none()
    return Account.objects.filter(is_active=True, teams__in=who.team_ids).distinct()


def teams_for(who: Person, account: Account) -> QuerySet[Team]:
    """Return the person's teams that an account belongs to."""
    return Team.objects.filter(pk__in=who.team_ids, accounts=account)


def may_manage_feeds(user: AbstractBaseUser) -> bool:
    return user.is_superuser or person(user).is_security
