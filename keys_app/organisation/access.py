"""Who somebody is: groups say what they may do, memberships for which teams."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property

from django.contrib.auth.models import User
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from .models import Account, Delegation, Team, TeamMembership

ENGINEERS = "Engineers"
TEAM_LEADS = "Team leads"
SECURITY = "Security"
ROLES = (ENGINEERS, TEAM_LEADS, SECURITY)


@dataclass
class Person:
    """A user with their rights: groups say what they may do, memberships for which teams."""

    user: User

    @cached_property
    def groups(self) -> frozenset[str]:
        return frozenset(self.user.groups.values_list("name", flat=True))

    @cached_property
    def _memberships(self) -> dict[int, TeamMembership]:
        return {one.team_id: one for one in TeamMembership.objects.filter(user=self.user)}

    @property
    def team_ids(self) -> list[int]:
        return list(self._memberships)

    @cached_property
    def authorities(self) -> dict[int, list[int]]:
        """Return for each team in whose right this person decides: their own, and of leads they stand in for."""
        own = [team for team, one in self._memberships.items() if one.is_lead and TEAM_LEADS in self.groups]
        authorities = {team: [self.user.pk] for team in own}
        for team, lead in self._deputyships:
            authorities.setdefault(team, []).append(lead)
        return authorities

    @cached_property
    def _deputyships(self) -> list[tuple[int, int]]:
        rows = _deputyships_in_force().filter(deputy=self.user)
        return list(rows.values_list("team_id", "lead_id").distinct())

    @property
    def stands_in_for(self) -> set[int]:
        """Return the leads whose deputy this person is."""
        return {lead for leads in self.authorities.values() for lead in leads} - {self.user.pk}

    @property
    def led_team_ids(self) -> list[int]:
        """Return the teams this person leads, or stands in for a lead of."""
        return list(self.authorities)

    @property
    def own_led_team_ids(self) -> list[int]:
        """Return the teams this person leads themselves."""
        return [team for team, leads in self.authorities.items() if self.user.pk in leads]

    @property
    def is_security(self) -> bool:
        return SECURITY in self.groups

    @property
    def is_approver(self) -> bool:
        return self.is_security or bool(self.led_team_ids)

    @property
    def may_break_glass(self) -> bool:
        return self.may_request and bool(self.break_glass_team_ids)

    @property
    def break_glass_team_ids(self) -> list[int]:
        """Return the teams this person may issue a key for at once when there is an incident."""
        return [team for team, one in self._memberships.items() if one.may_break_glass]

    @property
    def may_request(self) -> bool:
        return self.has_role_to_request and bool(self._memberships)

    @property
    def has_role_to_request(self) -> bool:
        """Tell whether this person may request keys for the teams they are in, if any."""
        return bool({ENGINEERS, TEAM_LEADS} & self.groups)


# Made once, because every page asks who somebody stands in for.
_GIVEN_BY_A_LEAD = Delegation.objects.filter(
    lead__is_active=True,
    lead__groups__name=TEAM_LEADS,
    lead__memberships__team=F("team"),
    lead__memberships__is_lead=True,
    team__memberships__user=F("deputy"),
)


def _deputyships_in_force() -> QuerySet[Delegation]:
    """Return the delegations in force: both are in the team still, and the lead leads it still."""
    now = timezone.now()
    return _GIVEN_BY_A_LEAD.filter(starts_at__lte=now, ends_at__gt=now)


def deciding_for(teams: Collection[int]) -> list[Person]:
    """Return everyone who might decide for these teams, by name: Security, those who lead them, and their deputies."""
    leads = TeamMembership.objects.filter(team__in=teams, is_lead=True).values("user")
    deputies = Delegation.objects.filter(team__in=teams, ends_at__gt=timezone.now()).values("deputy")
    some = Q(pk__in=in_security().values("pk")) | Q(pk__in=leads) | Q(pk__in=deputies)
    return persons_of(User.objects.filter(some, is_active=True).order_by("username"))


def persons_of(users: Iterable[User]) -> list[Person]:
    """Return a person for each user, in their order, with as many queries for many as for one."""
    people = {user.pk: Person(user) for user in users}
    groups: dict[int, set[str]] = defaultdict(set)
    memberships: dict[int, dict[int, TeamMembership]] = defaultdict(dict)
    deputyships: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for user, group in User.groups.through.objects.filter(user__in=people).values_list("user", "group__name"):
        groups[user].add(group)
    for one in TeamMembership.objects.filter(user__in=people):
        memberships[one.user_id][one.team_id] = one
    rows = _deputyships_in_force().filter(deputy__in=people)
    for user, team, lead in rows.values_list("deputy", "team_id", "lead_id").distinct():
        deputyships[user].append((team, lead))
    for pk, who in people.items():
        who.groups, who._memberships, who._deputyships = frozenset(groups[pk]), memberships[pk], deputyships[pk]
    return list(people.values())


def person(user: User) -> Person:
    """Return the person for a user, remembered on that user object for the length of a web request."""
    known = getattr(user, "_portal_person", None)
    if known is None:
        known = user._portal_person = Person(user)  # type: ignore[attr-defined]  # kept there alone
    return known


_LEADS = User.objects.filter(is_active=True, groups__name=TEAM_LEADS)


def leads_of(team: Team) -> QuerySet[User]:
    """Return the active people who decide a team's requests."""
    return _LEADS.filter(memberships__team=team, memberships__is_lead=True).order_by("username")


def or_leads_or_security(people: Iterable[User], team: Team, but_not: User | None = None) -> list[User]:
    """Return those of `people` whom mail reaches; where it reaches none, the team's leads; if none either, Security.

    So no notice is for no one. `but_not` is whoever it is from.
    """
    without_mail: list[User] = []
    for asked in (people, leads_of(team), in_security()):
        active = [user for user in asked if user.is_active and user != but_not]
        if reached := [user for user in active if user.email]:
            return reached
        without_mail = without_mail or active
    return without_mail


def leads_by_team(teams: Iterable[Team]) -> dict[Team, list[User]]:
    """Return for each team what `leads_of` returns, with one query for all."""
    leads: dict[Team, list[User]] = {team: [] for team in teams}
    led = TeamMembership.objects.filter(team__in=leads, user__in=_LEADS, is_lead=True).select_related("team", "user")
    for one in led.order_by("user__username"):
        leads[one.team].append(one.user)
    return leads


def leading(teams: Collection[int]) -> dict[int, dict[int, bool]]:
    """Return the users who lead each of these teams, by number, and whether they can decide. One query.

    One who is no longer active, or not in the role, can't.
    """
    leads: dict[int, dict[int, bool]] = {team: {} for team in teams}
    able = Exists(_LEADS.filter(pk=OuterRef("user")))
    rows = TeamMembership.objects.filter(team__in=teams, is_lead=True).values_list("team_id", "user_id", able)
    for team, user, can_decide in rows:
        leads[team][user] = can_decide
    return leads


def same_login(login: str) -> User | None:
    """Return the user with this login, whatever its case: signing in does not tell case apart either."""
    return User.objects.filter(username__iexact=login).first()


def accounts_for(who: Person) -> QuerySet[Account]:
    """Return the active accounts this person may ask keys for."""
    if not who.may_request:
        return Account.objects.none()
    return Account.objects.filter(is_active=True, teams__in=who.team_ids).distinct()


def teams_for(who: Person, account: Account) -> QuerySet[Team]:
    """Return the person's teams that an account belongs to."""
    return Team.objects.filter(pk__in=who.team_ids, accounts=account)


def teams_led(who: Person) -> QuerySet[Team]:
    """Return the teams this person leads themselves, for which they can name a deputy."""
    return Team.objects.filter(pk__in=who.own_led_team_ids)


def possible_deputies(teams: Iterable[Team]) -> QuerySet[User]:
    """Return the active members of these teams, by name."""
    members = User.objects.filter(is_active=True, memberships__team__in=teams).distinct()
    return members.order_by("first_name", "username")


def delegations_given(who: Person) -> QuerySet[Delegation]:
    """Return every delegation this person gave, the earliest first."""
    return Delegation.objects.filter(lead=who.user).select_related("team", "deputy")


def delegations_held(who: Person) -> QuerySet[Delegation]:
    """Return the delegations in force by which this person stands in for a lead."""
    held = _deputyships_in_force().filter(deputy=who.user).select_related("team", "lead")
    return held.order_by("team__name", "ends_at").distinct()


def in_security() -> QuerySet[User]:
    """Return the active users of Security."""
    return User.objects.filter(groups__name=SECURITY, is_active=True)


def portal_admins() -> QuerySet[User]:
    """Return the active portal admins."""
    return User.objects.filter(is_superuser=True, is_active=True)
