"""Who somebody is: groups say what they may do, memberships for which teams."""

from dataclasses import dataclass
from functools import cached_property

from django.contrib.auth.models import AbstractBaseUser, User
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone

from ..models import Account, Delegation, FeedToken, SignIn, Team, TeamMembership

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
    def _memberships(self) -> dict[int, TeamMembership]:
        return {one.team_id: one for one in TeamMembership.objects.filter(user=self.user)}

    @property
    def team_ids(self) -> list[int]:
        return list(self._memberships)

    @cached_property
    def voices(self) -> dict[int, list[int]]:
        """Return for each team in whose right this person decides: their own, and of leads they stand in for."""
        own = [team for team, one in self._memberships.items() if one.is_lead and TEAM_LEADS in self.groups]
        voices = {team: [self.user.pk] for team in own}
        for team, lead in _stands_in_for(self.user).values_list("team_id", "lead_id").distinct():
            voices.setdefault(team, []).append(lead)
        return voices

    @property
    def stands_in_for(self) -> set[int]:
        """Return the leads whose deputy this person is."""
        return {voice for voices in self.voices.values() for voice in voices} - {self.user.pk}

    @property
    def led_team_ids(self) -> list[int]:
        """Return the teams this person leads, or stands in for a lead of."""
        return list(self.voices)

    @property
    def own_led_team_ids(self) -> list[int]:
        """Return the teams this person leads themselves."""
        return [team for team, voices in self.voices.items() if self.user.pk in voices]

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
        return bool({ENGINEERS, TEAM_LEADS} & self.groups) and bool(self._memberships)


# Made once, because every page asks who somebody stands in for.
_GIVEN_BY_A_LEAD = Delegation.objects.filter(
    lead__is_active=True,
    lead__groups__name=TEAM_LEADS,
    lead__memberships__team=F("team"),
    lead__memberships__is_lead=True,
)


def _stands_in_for(user: AbstractBaseUser) -> QuerySet[Delegation]:
    """Return the delegations in force: both are in the team still, and the lead leads it still."""
    now = timezone.now()
    return _GIVEN_BY_A_LEAD.filter(deputy=user, starts_at__lte=now, ends_at__gt=now, team__memberships__user=user)


def person(user: AbstractBaseUser) -> Person:
    """Return the person for a user, remembered on that user object for the length of a web request."""
    known = getattr(user, "_portal_person", None)
    if known is None:
        known = user._portal_person = Person(user)  # type: ignore[attr-defined]
    return known


def leads_of(team: Team) -> QuerySet[User]:
    """Return the active people who decide a team's requests."""
    leads = User.objects.filter(memberships__team=team, memberships__is_lead=True, groups__name=TEAM_LEADS)
    return leads.filter(is_active=True).order_by("username")


def display_name(user: AbstractBaseUser) -> str:
    return user.get_full_name() or user.get_username()


def name_and_login(user: AbstractBaseUser) -> str:
    """Return how approvers and auditors see a user: two may have one name, and none the same login."""
    return with_login(display_name(user), user.get_username())


def with_login(name: str, login: str) -> str:
    """Return a name with the login behind it, where there is one and it is not the name itself."""
    return f"{name} ({login})" if login and login != name else name


def sign_in_of(user: AbstractBaseUser) -> SignIn:
    """Return what is known of how a user signs in; for most, that nothing happened."""
    try:
        return user.sign_in
    except SignIn.DoesNotExist:
        return SignIn(user_id=user.pk)


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


def possible_deputies(team: Team) -> QuerySet[User]:
    """Return the active members of a team, by name."""
    return User.objects.filter(is_active=True, memberships__team=team).order_by("first_name", "username")


def delegations_given(who: Person) -> QuerySet[Delegation]:
    """Return every delegation this person gave, the earliest first."""
    return Delegation.objects.filter(lead=who.user).select_related("team", "deputy")


def in_security() -> QuerySet[User]:
    """Return the active users of Security."""
    return User.objects.filter(groups__name=SECURITY, is_active=True)


def may_manage_feeds(user: AbstractBaseUser) -> bool:
    """Tell whether a user may create tokens that read the whole audit: who may read it anyway."""
    return user.is_active and person(user).is_security


def feed_tokens() -> QuerySet[FeedToken]:
    """Return all tokens, each with `maker_may`: whether its maker may still create one. One query."""
    maker_may = Exists(in_security().filter(pk=OuterRef("created_by")))
    return FeedToken.objects.select_related("created_by").annotate(maker_may=maker_may)
