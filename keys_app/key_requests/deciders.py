"""Who may decide which request, in whose right, and whose turn it is."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, When
from django.utils import timezone

from keys_app.organisation.access import SECURITY, TEAM_LEADS, Person, persons_of
from keys_app.organisation.models import TeamMembership

from .approval_policy import ApprovalRequirement, Shortfall, count_of, with_shortfall
from .decision_models import Approval, Narrowing
from .models import PENDING_SINCE, KeyRequest
from .outcome import happened
from .queries import THREAD, UNREVIEWED, Thread, is_overdue
from .states import RequestState, RequestStep

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

_APPROVED = Approval.objects.standing().filter(request=OuterRef("pk"))
_OF_A_LEAD = TeamMembership.objects.filter(team=OuterRef("team"), user=OuterRef("requester"), is_lead=True)
_OTHER_LEADS = TeamMembership.objects.filter(
    team=OuterRef("team"), is_lead=True, user__is_active=True, user__groups__name=TEAM_LEADS
).exclude(user=OuterRef("requester"))


_UNDECIDED = "No one decided this request in time, so it lapses. The requester can send it again."


@dataclass(frozen=True, slots=True)
class DecisionAuthority:
    """In which capacity a user decides, and in whose right: their own, or that of the lead they stand in for."""

    capacity: str
    authority_id: int


# The pending requests with what decides whose turn it is. Made once: every page of an approver counts what waits.
_PENDING = (
    with_shortfall(KeyRequest.objects.filter(state=RequestState.PENDING))
    .annotate(
        since=PENDING_SINCE, from_a_lead=Exists(_OF_A_LEAD), other_leads=count_of(_OTHER_LEADS, "team"), thread=THREAD
    )
    .select_related("requester", "team", "account")
)

LEADS_TURN = Q(leads_missing__gt=0)
SECURITY_STANDS_IN = Q(from_a_lead=True) | Q(other_leads__lt=F("leads"))
"""Where the requester leads the team themselves, or the team has too few leads to decide."""
SECURITYS_TURN = (~LEADS_TURN & Q(security_missing__gt=0)) | (LEADS_TURN & SECURITY_STANDS_IN)


def _tells(condition: Q) -> Case:
    return Case(When(condition, then=True), default=False)


class Turns(TypedDict):
    """Whose turn a pending request is."""

    leads_turn: bool
    securitys_turn: bool


_TURNS = _PENDING.annotate(leads_turn=_tells(LEADS_TURN), securitys_turn=_tells(SECURITYS_TURN))


def waiting_for(who: Person) -> "QuerySet[WithAnnotations[KeyRequest, Shortfall]]":
    """Return the pending requests this person may decide now, oldest first.

    Leads, and who stands in for them, decide for the teams they lead; a lead and their deputy are one voice.
    Security gives the last approval on critical requests, and stands in for missing leads. Nobody decides
    their own request, a deputy not their lead's either, and nobody decides twice.
    """
    mine = Q(pk__in=[])
    for team, authorities in who.authorities.items():
        for authority in authorities:
            used = Exists(_APPROVED.filter(authority=authority))
            mine |= LEADS_TURN & Q(team=team) & ~Q(requester=authority) & Q(~used)
    if who.is_security:
        mine |= SECURITYS_TURN & ~Q(requester__in=who.stands_in_for)
    decided = _APPROVED.filter(Q(approver=who.user) | Q(authority=who.user))
    return _PENDING.filter(_in_time(), mine, ~Q(requester=who.user), ~Exists(decided)).order_by("created_at", "id")


def _in_time() -> Q:
    """Return which pending requests can still be decided. The others lapse with the next run."""
    return Q(since__gte=timezone.now() - settings.PENDING_LAPSES_AFTER)


def waiting_count(who: Person) -> int:
    """Return how many requests wait for this person. Every page asks, so first it looks whether any is pending."""
    any_pending = KeyRequest.objects.filter(state=RequestState.PENDING).exists()
    return waiting_for(who).count() if any_pending else 0


def next_for(who: Person, key_request: KeyRequest) -> KeyRequest | None:
    """Return what this person decides after a request: the next that waits for them, or else the oldest.

    Then what they review; one whose requester has a question to answer comes last. None if nothing is left.
    """
    later = Q(created_at__gt=key_request.created_at) | Q(created_at=key_request.created_at, id__gt=key_request.pk)
    for waiting in (waiting_for(who), reviewable(who).annotate(thread=THREAD)):
        others: QuerySet[Any] = waiting.exclude(pk=key_request.pk)
        ready = others.exclude(thread=Thread.ASKED)
        found: KeyRequest | None = ready.filter(later).first() or ready.first() or others.first()
        if found:
            return found
    return None


def authority_to_decide(who: Person, key_request: KeyRequest) -> DecisionAuthority | None:
    """Return in whose right this person decides a request now; None if it is not theirs to decide."""
    asked = waiting_for(who).filter(pk=key_request.pk).first()
    if asked is None:
        return None
    if asked.leads_missing <= 0:
        return DecisionAuthority(Approval.Capacity.SECURITY, who.user.pk)
    used = asked.approvals.standing().values_list("authority_id", flat=True)
    return _first_authority(who, asked, {asked.requester_id, *used})


def _first_authority(who: Person, key_request: KeyRequest, used: Collection[int | None]) -> DecisionAuthority:
    """Return the first of a person's authorities as a lead of the team that is not used up, or else Security's."""
    for lead in who.authorities.get(key_request.team_id, []):
        if lead not in used:
            own = lead == who.user.pk
            return DecisionAuthority(Approval.Capacity.LEAD if own else Approval.Capacity.DEPUTY, lead)
    return DecisionAuthority(Approval.Capacity.SECURITY, who.user.pk)


def why_closed(key_request: KeyRequest) -> str:
    """Return why no one decides this request any more, from its state now; empty if it is open."""
    if key_request.state != RequestState.PENDING:
        return happened(key_request)
    return _UNDECIDED if is_overdue(key_request) else ""


@dataclass(frozen=True, slots=True)
class DecisionDue:
    """Which decision a pending request waits for, and who may take it now, by login.

    `given` of the `needed` approvals there are. With `of_security` it is Security's own approval that is missing, and
    not a lead's, in whose place Security may stand.
    """

    users: tuple[User, ...]
    given: int
    needed: int
    of_security: bool


def deciders_of(key_request: KeyRequest) -> list[User]:
    """Return everyone who may decide this request now, by name; no one if it is not pending."""
    return deciders_of_each([key_request]).get(key_request.pk, [])


def deciders_of_each(key_requests: Iterable[KeyRequest]) -> dict[UUID, list[User]]:
    """Return everyone who may decide each of these requests now, by name; nothing for one that is not pending."""
    return {pk: list(due.users) for pk, due in decisions_due(key_requests).items()}


def decisions_due(key_requests: Iterable[KeyRequest]) -> dict[UUID, DecisionDue]:
    """Return what each of these requests waits for, and who may decide it now; nothing for one that no one decides.

    This is `waiting_for` asked for many users, with as many queries as for one; a test holds the two together.
    """
    asked = list(_TURNS.filter(_in_time(), pk__in=[one.pk for one in key_requests]))
    if not asked:
        return {}
    people = _candidates({one.team_id for one in asked})
    used: dict[UUID, list[tuple[int | None, int | None]]] = defaultdict(list)
    approved = Approval.objects.standing().filter(request__in=asked)
    for request_id, approver, authority in approved.values_list("request_id", "approver_id", "authority_id"):
        used[request_id].append((approver, authority))
    return {one.pk: _due(one, people, used[one.pk]) for one in asked}


def _due(
    asked: "WithAnnotations[KeyRequest, Turns]", people: list[Person], used: list[tuple[int | None, int | None]]
) -> DecisionDue:
    return DecisionDue(
        users=tuple(who.user for who in people if _decides(who, asked, used)),
        given=len(used),
        needed=ApprovalRequirement.now(asked).total,
        of_security=not asked.leads_turn,
    )


def _decides(
    who: Person, asked: "WithAnnotations[KeyRequest, Turns]", used: list[tuple[int | None, int | None]]
) -> bool:
    """Tell what `waiting_for` tells. `used` has who gave each approval, and in whose right."""
    if who.user.pk == asked.requester_id or any(who.user.pk in pair for pair in used):
        return False
    used_up = {asked.requester_id, *(authority for _, authority in used)}
    if asked.leads_turn and not used_up.issuperset(who.authorities.get(asked.team_id, [])):
        return True
    return who.is_security and asked.securitys_turn and asked.requester_id not in who.stands_in_for


def reviewable(who: Person) -> QuerySet[KeyRequest]:
    """Return the break-glass requests that nobody has reviewed and this person may review, oldest first."""
    mine = Q(pk__in=[])
    for team, authorities in who.authorities.items():
        for authority in authorities:
            mine |= Q(team=team) & ~Q(requester=authority)
    if who.is_security:
        mine |= ~Q(requester__in=who.stands_in_for)
    seen = (
        KeyRequest.objects.filter(UNREVIEWED, mine)
        .exclude(requester=who.user)
        .select_related("requester", "team", "account")
    )
    return seen.order_by("created_at", "id")


def reviewers_of(key_request: KeyRequest) -> list[User]:
    """Return everyone who may review this break-glass request now, by name; no one if it needs no review."""
    if not KeyRequest.objects.filter(UNREVIEWED, pk=key_request.pk).exists():
        return []
    return reviewers_of_each([key_request])[key_request.pk]


def reviewers_of_each(broken: Iterable[KeyRequest]) -> dict[UUID, list[User]]:
    """Return everyone who may review each of these break-glass requests, which no one has reviewed, by name.

    This is `reviewable` asked for many users, with as many queries as for one; a test holds the two together.
    """
    asked = list(broken)
    people = _candidates({one.team_id for one in asked}) if asked else []
    return {one.pk: [who.user for who in people if oversees(who, one)] for one in asked}


def _candidates(teams: Collection[int]) -> list[Person]:
    """Return everyone who might decide for these teams, by name."""
    some = Q(groups__name=SECURITY) | Q(memberships__team__in=teams)
    return persons_of(User.objects.filter(some, is_active=True).distinct().order_by("username"))


def authority_to_review(who: Person, key_request: KeyRequest) -> DecisionAuthority | None:
    """Return in whose right this person reviews a broken glass; None if it is not theirs to review."""
    if not key_request.is_break_glass or not reviewable(who).filter(pk=key_request.pk).exists():
        return None
    return _first_authority(who, key_request, {key_request.requester_id})


def may_withdraw(who: Person, key_request: KeyRequest, approval: Approval | None) -> bool:
    """Tell whether this person may withdraw a standing approval: its approver, a lead of the team, or Security.

    None for break-glass access, which leaves the request to people's approval.
    """
    if key_request.state not in RequestStep.REOPEN.before or key_request.requester_id == who.user.pk:
        return False
    if approval is None:
        return key_request.needs_no_approval and oversees(who, key_request)
    standing = approval.decision == Approval.Decision.APPROVED and approval.void_at is None
    return standing and (who.user.pk in (approval.approver_id, approval.authority_id) or oversees(who, key_request))


def oversees(who: Person, key_request: KeyRequest) -> bool:
    """Tell whether this person looks after a request, not their own or their lead's: for its team, or in Security."""
    if key_request.requester_id == who.user.pk:
        return False
    leads = any(lead != key_request.requester_id for lead in who.authorities.get(key_request.team_id, []))
    return leads or (who.is_security and key_request.requester_id not in who.stands_in_for)


def narrowed_since(key_request: KeyRequest, digest: str) -> list[Narrowing]:
    """Return how a request was narrowed after it had this digest, oldest first; empty if it never had it."""
    steps = list(key_request.narrowings.select_related("approver"))
    start = next((number for number, step in enumerate(steps) if step.from_digest == digest), len(steps))
    return steps[start:]
