"""Who may decide which request, in whose right, and whose turn it is."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, Value, When
from django.utils import timezone

from keys_app.organisation import access
from keys_app.organisation.access import TEAM_LEADS, Person
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


def next_for(who: Person, key_request: KeyRequest, among: QuerySet[Any] | None = None) -> KeyRequest | None:
    """Return what this person decides after a request: the next that waits for them, or else the oldest.

    Then what they review; one whose requester has a question to answer comes last. None if nothing is left, of the
    requests `among` which it is to be.
    """
    later = Q(created_at__gt=key_request.created_at) | Q(created_at=key_request.created_at, id__gt=key_request.pk)
    turn = Case(When(thread=Thread.ASKED, then=Value(2)), When(later, then=Value(0)), default=Value(1))
    for waiting in (waiting_for(who), reviewable(who).annotate(thread=THREAD)):
        others: QuerySet[Any] = waiting.exclude(pk=key_request.pk)
        if among is not None:
            others = others.filter(pk__in=among.order_by().values("pk"))
        found: KeyRequest | None = others.order_by(turn, "created_at", "id").first()
        if found:
            return found
    return None


def authority_to_decide(
    who: Person, key_request: KeyRequest, approvals: Sequence[Approval]
) -> DecisionAuthority | None:
    """Return in whose right this person decides a request now; None if it is not theirs to decide.

    `approvals` are those of it that stand.
    """
    leads = access.leading([key_request.team_id])[key_request.team_id]
    asked = _Asked.of(key_request, approvals, leads)
    if not _pending([key_request]) or not asked.decided_by(who):
        return None
    if not asked.leads_turn:
        return DecisionAuthority(Approval.Capacity.SECURITY, who.user.pk)
    return _first_authority(who, key_request, asked.voices_used)


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


@dataclass(frozen=True, slots=True)
class Around:
    """Everyone who might decide for some teams, with their rights, and who leads these teams: see `access.leading`.

    Whom a notice is for is asked of it. A service reads it before it locks a request.
    """

    people: Sequence[Person]
    leads: Mapping[int, Mapping[int, bool]]

    @classmethod
    def teams(cls, teams: Collection[int]) -> "Around":
        """Read who is around these teams. Five queries, however many they are."""
        return cls(access.deciding_for(teams), access.leading(teams))

    @property
    def users(self) -> list[User]:
        return [who.user for who in self.people]

    def leads_of(self, team: int) -> list[User]:
        """Return those who lead a team themselves, as `access.leads_of` does."""
        return [who.user for who in self.people if team in who.own_led_team_ids]


def deciders_of(key_request: KeyRequest, approvals: Sequence[Approval], around: Around | None) -> list[User]:
    """Return everyone who may decide this request now, by name; no one if it is not pending.

    `approvals` are those of it that stand. Who is `around` is read unless it is given.
    """
    due = decisions_due([key_request], {key_request.pk: approvals}, around).get(key_request.pk)
    return list(due.users) if due else []


def deciders_of_each(key_requests: Iterable[KeyRequest]) -> dict[UUID, list[User]]:
    """Return everyone who may decide each of these requests now, by name; nothing for one that is not pending."""
    return {pk: list(due.users) for pk, due in decisions_due(key_requests).items()}


def decisions_due(
    key_requests: Iterable[KeyRequest],
    approvals: Mapping[UUID, Sequence[Approval]] | None = None,
    around: Around | None = None,
) -> dict[UUID, DecisionDue]:
    """Return what each of these requests waits for, and who may decide it now; nothing for one that no one decides.

    This is `waiting_for` asked for many users, with as many queries as for one; a test holds the two together. The
    `approvals` that stand, and who is `around`, are read unless they are given.
    """
    pending = _pending(key_requests)
    if not pending:
        return {}
    given = approvals_of(pending) if approvals is None else approvals
    around = around or Around.teams({one.team_id for one in pending})
    asked = [_Asked.of(one, given.get(one.pk, ()), around.leads[one.team_id]) for one in pending]
    return {
        one.key_request.pk: DecisionDue(
            users=tuple(who.user for who in around.people if one.decided_by(who)),
            given=len(one.approvals),
            needed=ApprovalRequirement.now(one.key_request).total,
            of_security=not one.leads_turn,
        )
        for one in asked
    }


def _pending(key_requests: Iterable[KeyRequest]) -> list[KeyRequest]:
    """Return those of these requests that can still be decided. The others lapse with the next run."""
    return [one for one in key_requests if one.state == RequestState.PENDING and not is_overdue(one)]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A pending request, whose turn it is, and the approvals of it that stand, with whose voices they used up."""

    key_request: KeyRequest
    approvals: Sequence[Approval]
    leads_turn: bool
    securitys_turn: bool
    decided: frozenset[int | None]
    voices_used: frozenset[int | None]

    @classmethod
    def of(cls, asked: KeyRequest, approvals: Sequence[Approval], leads: Mapping[int, bool]) -> "_Asked":
        """Return what is asked of whom; `leads` are the team's, with whether they can decide."""
        requirement, requester = ApprovalRequirement.stored(asked), asked.requester_id
        missing = requirement.missing([one.capacity for one in approvals])
        others = [lead for lead, can_decide in leads.items() if can_decide and lead != requester]
        stands_in = requester in leads or len(others) < requirement.leads
        voices = {one.authority_id for one in approvals}
        return cls(
            asked,
            approvals,
            leads_turn=missing.leads > 0,
            securitys_turn=stands_in if missing.leads > 0 else missing.security > 0,
            decided=frozenset({requester, *voices, *(one.approver_id for one in approvals)}),
            voices_used=frozenset({requester, *voices}),
        )

    def decided_by(self, who: Person) -> bool:
        """Tell of one request and one person what `waiting_for` tells."""
        if who.user.pk in self.decided:
            return False
        if self.leads_turn and not self.voices_used.issuperset(who.authorities.get(self.key_request.team_id, [])):
            return True
        return who.is_security and self.securitys_turn and self.key_request.requester_id not in who.stands_in_for


def approvals_of(key_requests: Iterable[KeyRequest]) -> dict[UUID, list[Approval]]:
    """Return the approvals of each of these requests that stand, with one query."""
    found: dict[UUID, list[Approval]] = defaultdict(list)
    standing = Approval.objects.standing().filter(request__in=[one.pk for one in key_requests])
    # Sorted here: to save sorting a few, SQLite would read every approval there is in the order of an index.
    for approval in sorted(standing.order_by(), key=lambda one: (one.created_at, one.pk)):
        found[approval.request_id].append(approval)
    return found


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


def reviewers_of_each(broken: Iterable[KeyRequest], around: Around | None = None) -> dict[UUID, list[User]]:
    """Return everyone who may review each of these break-glass requests, which no one has reviewed, by name.

    This is `reviewable` asked for many users, with as many queries as for one; a test holds the two together. Who is
    `around` is read unless it is given.
    """
    asked = list(broken)
    if not asked:
        return {}
    people = around.people if around else access.deciding_for({one.team_id for one in asked})
    return {one.pk: [who.user for who in people if oversees(who, one)] for one in asked}


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
