"""Which requests a person may see and copy."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, TypedDict
from uuid import UUID

from django.conf import settings
from django.db.models import Case, CharField, Count, Exists, F, Max, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from keys_app.core.db import lock_row
from keys_app.core.present import present
from keys_app.organisation.access import Person
from keys_app.organisation.models import TeamMembership

from .decision_models import Approval, Comment
from .models import PENDING_SINCE, Issuance, KeyRequest
from .states import IssuanceState, RequestState, RequestStep

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

TO_PRESS = RequestStep.ISSUE.before
CAME_TO_NOTHING = (RequestState.REJECTED, RequestState.CANCELLED, RequestState.LAPSED, RequestState.FAILED)
OPEN_REQUESTS = (RequestState.PENDING, RequestState.APPROVED, RequestState.ISSUING, RequestState.FAILED)


REVIEWED = Approval.objects.filter(request=OuterRef("pk"), decision=Approval.Decision.REVIEWED)
UNREVIEWED = ~Q(incident="") & Q(security_alone=False) & ~Exists(REVIEWED)
"""Glass was broken and nobody has looked at it yet."""


COMMIT_MARGIN = timedelta(seconds=30)
"""How long a process may need around its call to Twilio for its two transactions. Longer only costs it the key."""


def answers_due_since() -> datetime:
    """Return the moment before which a process that asked Twilio must have its answer, if it is still alive."""
    return timezone.now() - timedelta(seconds=settings.TWILIO_DEADLINE) - COMMIT_MARGIN


def pending_between(*, latest: datetime, earliest: datetime | None = None) -> QuerySet[KeyRequest]:
    """Return the requests that are pending since a moment between these two."""
    pending = KeyRequest.objects.filter(state=RequestState.PENDING).select_related("requester", "team", "account")
    since = pending.annotate(since=PENDING_SINCE).filter(since__lte=latest)
    return since.filter(since__gte=earliest) if earliest else since


class Thread(StrEnum):
    """Whose turn it is in the questions about a request: someone asked its requester, or they have answered."""

    ASKED = "asked"
    ANSWERED = "answered"


_ASKED, _OWN = Max("pk", filter=~Q(author=OuterRef("requester"))), Max("pk", filter=Q(author=OuterRef("requester")))
_TURN_IN_THREAD = (
    Comment.objects.filter(request=OuterRef("pk"))
    .order_by()
    .values("request")
    .annotate(asked=_ASKED, own=_OWN)
    .filter(asked__isnull=False)  # what the requester adds without being asked answers nothing
    .values(turn=Case(When(own__gt=F("asked"), then=Value(Thread.ANSWERED)), default=Value(Thread.ASKED)))
)
"""The newest comment says whose turn it is. Comments are numbered in their order: each is written with its request
locked."""

THREAD = Case(
    When(
        Q(state__in=OPEN_REQUESTS) | UNREVIEWED,
        then=Coalesce(Subquery(_TURN_IN_THREAD), Value(""), output_field=CharField()),
    ),
    default=Value(""),
    output_field=CharField(),
)
"""One of `Thread` for a request that is still talked about; empty where no one was asked."""


class RequestNotes(TypedDict):
    """What `visible_requests` says of each request besides its columns."""

    unreviewed: bool
    outcome_unknown: bool
    thread: str


def visible_requests(who: Person) -> "QuerySet[WithAnnotations[KeyRequest, RequestNotes]]":
    """Return the requests this person may see: their own, their teams' if they lead, all for Security.

    Each says with `unreviewed` whether glass was broken for it and nobody has looked at that yet, and with
    `outcome_unknown` whether no one waits any more for Twilio's answer to its attempt. `thread` is one of `Thread`, or
    empty.
    """
    unanswered = Q(state=IssuanceState.UNKNOWN) | Q(state=IssuanceState.STARTED, started_at__lt=answers_due_since())
    lost = Exists(Issuance.objects.filter(unanswered, request=OuterRef("pk")))
    requests = KeyRequest.objects.select_related("requester", "team", "account", "changes_key").annotate(
        unreviewed=Case(When(UNREVIEWED, then=True), default=False),
        outcome_unknown=Case(When(Q(state=RequestState.ISSUING) & lost, then=True), default=False),
        thread=THREAD,
    )
    if who.is_security:
        return requests
    return requests.filter(Q(requester=who.user) | Q(team__in=who.led_team_ids))


def lock_request(pk: UUID) -> KeyRequest:
    """Return a request as it is now, locked until the transaction ends, with whom and what its notices speak of."""
    return lock_row(KeyRequest, pk, "requester", "team", "account")


def has_word(word: str) -> Q:
    """Return the condition that a request has a word: in its name, ticket, incident, a SID or its requester."""
    columns = ("friendly_name", "ticket_url", "incident", "account__sid", *_REQUESTER)
    found = Q(*((f"{column}__icontains", word) for column in columns), _connector=Q.OR)
    if not word.upper().startswith("SK"):
        return found
    return found | Q(pk__in=Issuance.objects.filter(key_sid__icontains=word).values("request"))


_REQUESTER = ("requester__username", "requester__first_name", "requester__last_name")


def yours_count(who: Person) -> int:
    """Return how many of this person's own requests wait for them: for an answer, or for the key to be issued."""
    to_issue = Q(state__in=TO_PRESS, claim_until__gte=timezone.now())
    asked = Q(state=RequestState.PENDING, thread=Thread.ASKED)
    mine = KeyRequest.objects.filter(requester=who.user, state__in=(RequestState.PENDING, *TO_PRESS))
    return mine.annotate(thread=THREAD).filter(to_issue | asked).count()


def requests_to_oversee(who: Person) -> "QuerySet[WithAnnotations[KeyRequest, RequestNotes]]":
    """Return the requests of the teams this person decides for, all of them for Security."""
    requests = visible_requests(who)
    return requests if who.is_security else requests.filter(team__in=who.led_team_ids)


def copyable_requests(who: Person) -> QuerySet[KeyRequest]:
    """Return the requests whose policy this person may start a new one from: their own and their teams'."""
    return KeyRequest.objects.filter(Q(requester=who.user) | Q(team__in=who.team_ids)).order_by("-created_at")


def may_copy(who: Person, key_request: KeyRequest) -> bool:
    """Tell whether this person may start a new request from this one: it is copyable for them, and they may ask."""
    return who.may_request and (key_request.requester_id == who.user.pk or key_request.team_id in who.team_ids)


def can_send_changed(who: Person, key_request: KeyRequest) -> bool:
    """Tell whether this person's own request came to no key, so that another one may be sent in its place."""
    return key_request.requester_id == who.user.pk and key_request.state in CAME_TO_NOTHING and who.may_request


def has_account(who: Person, key_request: KeyRequest) -> bool:
    """Tell whether this person may still get keys on the account of a request, through its team."""
    through = {"team": key_request.team_id, "team__accounts": key_request.account_id}
    mine = TeamMembership.objects.filter(user=who.user, **through)
    return who.has_role_to_request and key_request.account.is_active and mine.exists()


def can_cancel(key_request: KeyRequest) -> bool:
    """Tell whether a request in this state can be cancelled, by its requester."""
    return key_request.state in RequestStep.CANCEL.before


def is_overdue(key_request: KeyRequest) -> bool:
    """Tell whether a request was not decided, or its approval not used, in time. The next run lets it lapse."""
    now = timezone.now()
    if key_request.state == RequestState.PENDING:
        return key_request.pending_since < now - settings.PENDING_LAPSES_AFTER
    return key_request.state in TO_PRESS and present(key_request.claim_until) < now


def is_discussed(key_request: KeyRequest) -> bool:
    """Tell whether there is still something to ask about a request: it is open, or a review is to come."""
    return key_request.state in OPEN_REQUESTS or key_request.needs_review


def may_comment(who: Person, key_request: KeyRequest) -> bool:
    """Tell whether this person has a say about a request: its requester, who decides for its team, Security."""
    return key_request.requester_id == who.user.pk or key_request.team_id in who.led_team_ids or who.is_security


def replacements_left(key_request: KeyRequest) -> int:
    """Return how often a lost key of this request can still be replaced. Rotations do not count."""
    issued: int = key_request.issuances.aggregate(n=Count("pk", filter=Q(key__isnull=False, rotates=None)))["n"]
    return max(0, 1 + settings.MAX_REPLACEMENTS - issued)
