"""Which requests a person may see, copy and decide."""

from django.conf import settings
from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from ..domain.risk import Risk
from ..domain.states import RequestState
from ..models import Approval, KeyRequest, TeamMembership
from .people import Person

TO_PRESS = (RequestState.APPROVED, RequestState.FAILED)
OPEN_REQUESTS = (RequestState.PENDING, RequestState.APPROVED, RequestState.ISSUING, RequestState.FAILED)


def visible_requests(who: Person) -> QuerySet[KeyRequest]:
    """Return the requests this person may see: their own, their teams' if they lead, all for Security."""
    requests = KeyRequest.objects.select_related("requester", "team", "account", "changes_key")
    if who.is_security:
        return requests
    return requests.filter(Q(requester=who.user) | Q(team__in=who.led_team_ids))


def copyable_requests(who: Person) -> QuerySet[KeyRequest]:
    """Return the requests whose policy this person may start a new one from: their own and their teams'."""
    return KeyRequest.objects.filter(Q(requester=who.user) | Q(team__in=who.team_ids)).order_by("-created_at")


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


def replacements_left(key_request: KeyRequest) -> int:
    """Return how often a lost key of this request can still be replaced. Rotations do not count."""
    issued = key_request.issuances.aggregate(n=Count("pk", filter=Q(key__isnull=False, rotates=None)))["n"]
    return max(0, 1 + settings.MAX_REPLACEMENTS - issued)
