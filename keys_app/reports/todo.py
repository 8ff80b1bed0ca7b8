"""What a user has to do, the most urgent first: what the start page is made of.

Each section asks the database once, however many rows there are: the first ones come with how many there are in all.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from django.db.models import Count, Model, Q, QuerySet, Window
from django.db.models.functions import Coalesce, Least
from django.urls import reverse
from django.utils import timezone

from keys_app.audit.incarnation import set_backs
from keys_app.key_requests import deciders
from keys_app.key_requests.queries import OPEN_REQUESTS, TO_PRESS, Thread, visible_requests
from keys_app.key_requests.turn import note_turns, turns_of_each
from keys_app.keys.queries import SOON, left_keys, visible_keys
from keys_app.keys.states import KeyState
from keys_app.notifications import troubles
from keys_app.organisation.access import Person
from keys_app.reconcile import holds
from keys_app.reconcile.queries import unmanaged_keys, visible_unmanaged

from .access_reviews import undecided_by_review

SHOWN = 5
NOW = timedelta(days=3)
"""A key that ends within this time is shown in red."""


@dataclass(frozen=True, slots=True)
class Section:
    """One kind of thing to do: the first rows, how many there are in all, and where the whole list is.

    `kind` names how a row is written in the page; `tone` is bad for what is wrong.
    """

    name: str
    title: str
    kind: str
    url: str
    rows: list[Any] = field(default_factory=list)
    count: int = 0
    tone: str = ""

    @property
    def is_cut(self) -> bool:
        """Whether the list has more than is shown."""
        return self.count > len(self.rows) == SHOWN


def sections_for(who: Person) -> list[Section]:
    """Return what this person has to do, the most urgent first, without what is empty."""
    parts: list[Iterable[Section]] = []
    if who.is_security:
        parts.append(_wrong())
    if who.is_approver:
        parts.append(_to_decide(who))
    parts += [_own_requests(who), _own_keys(who)]
    if who.is_approver:
        parts.append(_of_teams(who))
    return [section for part in parts for section in part if section.count]


def waiting_for_others(who: Person) -> Section:
    """Return this person's open requests that are someone else's turn, each with whose, as `turn`."""
    own = visible_requests(who).filter(requester=who.user, state__in=OPEN_REQUESTS)
    url = f"{reverse('portal:request_list')}?state=open&requester=me"
    section = _first(
        Section("others", "Your requests that wait for others", "request", url),
        own.exclude(_to_issue()).exclude(thread=Thread.ASKED).order_by("-created_at"),
    )
    note_turns(section.rows, turns_of_each(section.rows), who.user)
    return section


def _wrong() -> Iterator[Section]:
    """Yield what is wrong with the portal or at Twilio, for Security."""
    page = reverse("portal:reconciliation")
    found = set_backs.open_set_backs()
    yield Section("held", "Held after a set-back of the database", "words", page, found[:SHOWN], len(found), "bad")
    doubt, known = holds.keys_in_doubt(), troubles.known().select_related("account")
    yield _first(Section("doubt", "Keys to keep or delete", "unmanaged", f"{page}#doubt-title", tone="bad"), doubt)
    yield _first(Section("troubles", "Open troubles", "trouble", f"{page}#troubles-title", tone="bad"), known)


def _to_decide(who: Person) -> Iterator[Section]:
    approvals = reverse("admin:keys_app_keyrequest_changelist")
    glass, waiting = deciders.reviewable(who), deciders.waiting_for(who)
    yield _first(Section("review", "Glass broken, not reviewed", "glass", approvals, tone="bad"), glass)
    yield _first(Section("waiting", "Waiting for your decision", "decide", approvals), waiting)


def _to_issue() -> Q:
    return Q(state__in=TO_PRESS, claim_until__gte=timezone.now())


def _own_requests(who: Person) -> Iterator[Section]:
    """Yield this person's requests that wait for them: for an answer, or for the key to be issued."""
    mine = visible_requests(who).filter(requester=who.user)
    listed = reverse("portal:request_list")
    asked = mine.filter(state__in=OPEN_REQUESTS, thread=Thread.ASKED).exclude(_to_issue()).order_by("created_at")
    yield _first(Section("answer", "Asked of you", "answer", f"{listed}?state=pending&requester=me"), asked)
    approved = mine.filter(_to_issue()).order_by("claim_until")
    yield _first(Section("issue", "Keys to issue", "issue", f"{listed}?state=approved&requester=me"), approved)


def _own_keys(who: Person) -> Iterator[Section]:
    """Yield this person's keys whose secret they have not confirmed, and those that end soon, the soonest first."""
    listed = f"{reverse('portal:key_list')}?state=live&owner=me"
    mine = visible_keys(who).filter(owner=who.user, state=KeyState.ACTIVE)
    unsaid = mine.filter(confirmed_at=None, adopted_at=None).order_by("issued_at")
    yield _first(Section("confirm", "Is the secret stored?", "confirm", listed), unsaid)
    ends = Least("expires_at", Coalesce("retires_at", "expires_at"))
    ending = mine.annotate(ends=ends).filter(ends__lt=timezone.now() + SOON).order_by("ends", "sid")
    section = _first(
        Section("ending", "Keys that end within 14 days", "ending", f"{listed}&ending=14d&sort=ending"), ending
    )
    for key in section.rows:
        key.is_pressing = key.ends_at <= timezone.now() + NOW
    yield section


def _of_teams(who: Person) -> Iterator[Section]:
    """Yield what approvers look after besides requests: keys without an owner, reviews, keys no one made here."""
    left = left_keys(who).order_by("handover_by", "sid")
    yield _first(Section("left", "Keys whose owner left", "left", reverse("portal:key_left_list")), left)
    reviews = undecided_by_review(who)
    count = sum(keys for _, keys in reviews)
    yield Section("reviews", "Access reviews", "access_review", reverse("portal:review_list"), reviews[:SHOWN], count)
    strange = (
        unmanaged_keys() if who.is_security else visible_unmanaged(who).filter(proposed_team__in=who.own_led_team_ids)
    ).filter(gone_at=None, adopted_at=None)
    title = "Keys the portal never made" if who.is_security else "Keys you are asked to adopt"
    yield _first(Section("unmanaged", title, "unmanaged", reverse("portal:unmanaged_list")), strange)


def _first(section: Section, rows: QuerySet[Any, Any]) -> Section:
    """Return a section with its first rows and how many there are, in one query."""
    found: list[Model] = list(rows.annotate(in_all=Window(Count("pk")))[:SHOWN])
    return replace(section, rows=found, count=getattr(found[0], "in_all", 0) if found else 0)
