"""Who may see and do what. Views and services fetch objects only through here."""

from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from .domain.permissions import Catalogue, catalogue, extended, read_additions
from .domain.risk import Risk
from .domain.states import KeyState, RequestState
from .models import (
    Account,
    ApiKey,
    Approval,
    CatalogueObservation,
    CataloguePermission,
    KeyRequest,
    Team,
    TeamMembership,
)

ENGINEERS = "Engineers"
TEAM_LEADS = "Team leads"
SECURITY = "Security"

TO_PRESS = (RequestState.APPROVED, RequestState.FAILED)
OPEN_REQUESTS = (RequestState.PENDING, RequestState.APPROVED, RequestState.ISSUING, RequestState.FAILED)
LIVE_KEYS = (KeyState.ACTIVE, KeyState.REVOKING)


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


def visible_requests(who: Person) -> QuerySet[KeyRequest]:
    """Return the requests this person may see: their own, their teams' if they lead, all for Security."""
    requests = KeyRequest.objects.select_related("requester", "team", "account", "changes_key")
    if who.is_security:
        return requests
    return requests.filter(Q(requester=who.user) | Q(team__in=who.led_team_ids))


def copyable_requests(who: Person) -> QuerySet[KeyRequest]:
    """Return the requests whose policy this person may start a new one from: their own and their teams'."""
    return KeyRequest.objects.filter(Q(requester=who.user) | Q(team__in=who.team_ids)).order_by("-created_at")


def changeable_keys(who: Person) -> QuerySet[ApiKey]:
    """Return the live keys this person may ask a change of: their own."""
    return ApiKey.objects.filter(owner=who.user, state=KeyState.ACTIVE).select_related("account", "request")


def visible_keys(who: Person) -> QuerySet[ApiKey]:
    """Return the keys this person may see, by the same rule as requests."""
    keys = ApiKey.objects.select_related("owner", "team", "account", "request")
    if who.is_security:
        return keys
    return keys.filter(Q(owner=who.user) | Q(team__in=who.led_team_ids))


def can_revoke(who: Person, key: ApiKey) -> bool:
    return key.owner_id == who.user.pk or key.team_id in who.led_team_ids or who.is_security


def approvals_needed(key_request: KeyRequest) -> int:
    return 2 if key_request.risk == Risk.CRITICAL else 1


def waiting_for(who: Person) -> QuerySet[KeyRequest]:
    """Return the pending requests this person may decide now, oldest first.

    A lead decides for the teams they lead. Security stands in where the requester leads the team
    themselves, and gives the second approval on critical requests. Nobody decides their own request
    or decides twice.
    """
    decided = Approval.objects.filter(request=OuterRef("pk"), decision=Approval.Decision.APPROVED)
    of_a_lead = TeamMembership.objects.filter(team=OuterRef("team"), user=OuterRef("requester"), is_lead=True)
    mine = Q(pk__in=[])
    if who.led_team_ids:
        mine |= Q(team__in=who.led_team_ids, first_given=False)
    if who.is_security:
        mine |= Q(first_given=True) | Q(from_a_lead=True)
    return (
        KeyRequest.objects.select_related("requester", "team", "account")
        .annotate(first_given=Exists(decided), from_a_lead=Exists(of_a_lead))
        .filter(mine, state=RequestState.PENDING)
        .exclude(requester=who.user)
        .exclude(Exists(decided.filter(approver=who.user)))
        .order_by("created_at", "id")
    )


def why_not_decidable(who: Person, key_request: KeyRequest) -> str:
    """Return why this person cannot decide a request they can see; empty if they can."""
    if key_request.requester_id == who.user.pk:
        return "This is your own request. Another lead of the team, or Security, decides it."
    if key_request.state != RequestState.PENDING:
        return f"This request is {key_request.get_state_display().lower()}. There is nothing to decide."
    if waiting_for(who).filter(pk=key_request.pk).exists():
        return ""
    if key_request.approvals.filter(approver=who.user).exists():
        return "You have approved this request. Security gives the second approval."
    if key_request.approvals.exists():
        return "A lead has approved this request. Security gives the second approval."
    return "A lead of the team decides this request first."


def live_keys_of(team: Team, account: Account) -> QuerySet[ApiKey]:
    """Return what a team already holds on an account."""
    return ApiKey.objects.filter(team=team, account=account, state__in=LIVE_KEYS).select_related("owner")


def replacements_left(key_request: KeyRequest) -> int:
    """Return how often a lost key of this request can still be replaced."""
    issued = key_request.issuances.aggregate(n=Count("pk", filter=Q(key__isnull=False)))["n"]
    return max(0, 1 + settings.MAX_REPLACEMENTS - issued)


def current_catalogue() -> Catalogue:
    """Return the catalogue as it is now: the package's, the operator's file and entries, what accounts said.

    Two queries. The merge is remembered for the same data, so it is right whichever process changed them.
    Raises `ImproperlyConfigured`, naming the line, if `PORTAL_CATALOGUE_FILE` cannot be read.
    """
    entries = tuple(CataloguePermission.objects.order_by("name").values_list("name", "meaning", "removed"))
    answers = CatalogueObservation.objects.order_by().values_list("permission", "accepted").distinct()
    return _merged(settings.CATALOGUE_FILE, entries, frozenset(answers))


@lru_cache(maxsize=2)
def _merged(path: str, entries: tuple[tuple[str, str, bool], ...], answers: frozenset[tuple[str, bool]]) -> Catalogue:
    added = [*_additions(path), *((name, meaning) for name, meaning, _ in entries)]
    removed = [name for name, _, is_removed in entries if is_removed]
    observed = {name: (name, True) in answers for name, _ in answers}
    return extended(catalogue(), added=added, removed=removed, observed=observed)


@cache
def _additions(path: str) -> tuple[tuple[str, str], ...]:
    """Read the operator's file, once for each process. No file, no additions."""
    try:
        return read_additions(Path(path).read_text(encoding="utf-8-sig")) if path else ()
    except OSError:
        raise ImproperlyConfigured(f"PORTAL_CATALOGUE_FILE: {path} cannot be read.") from None
    except ValueError as error:
        raise ImproperlyConfigured(f"PORTAL_CATALOGUE_FILE: {path}, {error}.") from None
