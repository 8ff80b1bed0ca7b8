"""Quarterly access reviews: Security opens one, leads keep or revoke each live key, Security closes it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.db.models import Count, Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from keys_app.audit.record import record
from keys_app.core.actor import Actor, name_and_login
from keys_app.core.db import compare_and_swap, lock_row
from keys_app.core.errors import Conflict, InvalidInput, NotAllowed, PortalError
from keys_app.core.text import MAX_REASON, check_reason, require_reason
from keys_app.core.times import moment, rfc3339
from keys_app.keys.models import ApiKey
from keys_app.keys.queries import why_not_active
from keys_app.keys.revoke import delete_now, start_revoking
from keys_app.keys.revoke_several import SeveralOutcome, delete_each
from keys_app.keys.states import KeyState
from keys_app.notifications import notify
from keys_app.organisation import access
from keys_app.organisation.access import Person
from keys_app.organisation.models import Team
from keys_app.organisation.sent_forms import claim

from .models import AccessReview, ReviewedKey

_QUARTER = re.compile(r"20\d\d-Q[1-4]")


def open_review(*, quarter: str, actor: Actor) -> AccessReview:
    """Ask about every key that is live now. Raises `Conflict` if the quarter has a review, or one is open."""
    _require_security(actor)
    if not _QUARTER.fullmatch(quarter):
        raise InvalidInput("quarter", "Write a quarter like 2026-Q4.")
    try:
        with transaction.atomic(durable=True):
            claim(actor, reverse("portal:review_detail", args=[quarter]))
            review = AccessReview.objects.create(quarter=quarter, opened_by=actor.signed_in, opened_at=timezone.now())
            live = ApiKey.objects.filter(state=KeyState.ACTIVE).values_list("pk", "team_id")
            rows = [ReviewedKey(review=review, key_id=sid, team_id=team) for sid, team in live]
            ReviewedKey.objects.bulk_create(rows, batch_size=500)
            _ask_leads(quarter, {team for _, team in live})
            record("access_review.opened", actor, quarter=quarter, keys=len(rows))
    except IntegrityError:  # the database holds both rules, also for two who open one at the same moment
        if AccessReview.objects.filter(quarter=quarter).exists():
            raise Conflict(f"There is a review of {quarter} already.") from None
        raise Conflict("Another review is still open. Close it first.") from None
    return review


def _ask_leads(quarter: str, teams: set[int]) -> None:
    for team, leads in access.leads_by_team(Team.objects.filter(pk__in=teams)).items():
        notify.notify(
            "access_review.opened",
            title=f"Say for each key of team {team} whether it is still needed",
            text=f"Security opened the access review of {quarter}.",
            path=reverse("portal:review_list"),
            people=access.or_leads_or_security(leads, team),
            team=team,
        )


@dataclass(frozen=True, slots=True)
class ReviewChoice:
    """What someone chose for a key of a review, and why.

    `seen` is the `mark` of the decision their page showed; None for a script, which decides whatever there is.
    """

    reviewed: ReviewedKey
    decision: str
    note: str = ""
    seen: str | None = None


@dataclass(frozen=True, slots=True)
class ReviewOutcome(SeveralOutcome):
    """What became of a choice: whether it is recorded, and what went wrong with it or is still to come."""

    choice: ReviewChoice
    error: PortalError | None = None

    @property
    def words(self) -> str:
        """What to tell at the key's row; empty if all of it is done."""
        recorded = "Your decision is recorded. " if self.error and self.is_recorded else ""
        return f"{recorded}{self.problem}"


def mark(reviewed: ReviewedKey) -> str:
    """Return what tells one decision on a key from the next; empty where nothing is decided."""
    return rfc3339(reviewed.decided_at, "microseconds") if reviewed.decided_at else ""


def keep(*, reviewed: ReviewedKey, note: str, actor: Actor) -> None:
    """Note that a key is still needed."""
    _decide(ReviewChoice(reviewed, ReviewedKey.Decision.KEPT, note), actor)


def revoke(*, reviewed: ReviewedKey, note: str, actor: Actor) -> None:
    """Note that a key is not needed any more, and revoke it with the note as the reason.

    Decision and revocation are recorded together or not at all. Raises `NotDeleted` if Twilio has not deleted the
    key yet; that is tried again.
    """
    if key := _decide(ReviewChoice(reviewed, ReviewedKey.Decision.REVOKED, note), actor):
        delete_now(key=key, actor=actor)


def decide_each(choices: Iterable[ReviewChoice], *, actor: Actor) -> list[ReviewOutcome]:
    """Take each decision in a transaction of its own, then delete at Twilio the keys that are to go.

    One that can't be taken stops no other. Raises nothing.
    """
    outcome, revoking = [], {}
    for choice in choices:
        try:
            key = _decide(choice, actor)
        except PortalError as error:
            outcome.append(ReviewOutcome(choice, error))
            continue
        if key is not None and choice.decision == ReviewedKey.Decision.REVOKED:
            revoking[choice.reviewed.pk] = key
        outcome.append(ReviewOutcome(choice))
    failed = delete_each(revoking.values(), actor=actor)
    return [ReviewOutcome(one.choice, one.error or failed.get(one.choice.reviewed.key_id)) for one in outcome]


def _decide(choice: ReviewChoice, actor: Actor) -> ApiKey | None:
    """Write a decision, or change it while the review is open and the key is live; None if it was written before."""
    check = {"kept": check_reason, "revoked": require_reason}.get(choice.decision)
    if check is None:
        raise InvalidInput("decision", "Press Keep or Revoke.")
    note = check(choice.note, field="note")
    who = access.Person(actor.user) if actor.user else None
    if who is None or not (who.is_security or choice.reviewed.team_id in who.led_team_ids):
        raise NotAllowed("Only a lead of the key's team or Security decides about it.")
    with transaction.atomic(durable=True):
        review = lock_row(AccessReview, choice.reviewed.review_id)
        reviewed = ReviewedKey.objects.select_related("key", "key__team", "key__account", "decided_by").get(
            pk=choice.reviewed.pk
        )
        reviewed.review = review
        if choice.seen is not None and choice.seen != mark(reviewed):
            if (reviewed.decided_by_id, reviewed.decision, reviewed.note) == (who.user.pk, choice.decision, note):
                return None  # the same press, sent twice
            raise Conflict(_decided_meanwhile(reviewed))
        if why_not := why_not_reviewable(who, reviewed):
            raise (NotAllowed if reviewed.key.owner_id == who.user.pk else Conflict)(why_not)
        _write(reviewed, choice.decision, note, actor)
    return reviewed.key


def _decided_meanwhile(reviewed: ReviewedKey) -> str:
    by = name_and_login(reviewed.decided_by) if reviewed.decided_by else "Someone"
    note = f", “{reviewed.note}”" if reviewed.note else ""
    return f"{by} decided after you opened this page: {reviewed.decision}{note}. Yours is not recorded."


def _write(reviewed: ReviewedKey, decision: str, note: str, actor: Actor) -> None:
    reviewed.decision, reviewed.note = decision, note
    reviewed.decided_by, reviewed.decided_at = actor.signed_in, timezone.now()
    reviewed.save(update_fields=["decision", "note", "decided_by", "decided_at"])
    record(f"access_review.{decision}", actor, key=reviewed.key, reason=note, quarter=reviewed.review.quarter)
    if decision == ReviewedKey.Decision.REVOKED:
        start_revoking(reviewed.key, f"Access review {reviewed.review}: {note}"[:MAX_REASON], actor)


def close_review(*, review: AccessReview, actor: Actor) -> None:
    """End a review, decided or not; what stays undecided is recorded. Raises `Conflict` if it is closed."""
    _require_security(actor)
    with transaction.atomic(durable=True):
        if not compare_and_swap(review, Q(closed_at=None), closed_at=timezone.now(), closed_by=actor.user):
            raise Conflict("This review is closed already.")
        teams = progress(access.Person(actor.signed_in), review)
        counts = {part: sum(getattr(team, part) for team in teams) for part in ("kept", "revoked", "gone", "open")}
        undecided = [team.team.name for team in teams if team.open]
        record("access_review.closed", actor, quarter=review.quarter, **counts, teams_not_done=undecided)


def _require_security(actor: Actor) -> None:
    if actor.user is None or not access.Person(actor.user).is_security:
        raise NotAllowed("Only Security opens and closes access reviews.")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one team is: keys kept, revoked, gone otherwise, and still to be decided."""

    team: Team
    kept: int
    revoked: int
    gone: int
    open: int

    @property
    def total(self) -> int:
        return self.kept + self.revoked + self.gone + self.open

    @property
    def done_percent(self) -> int:
        return 100 * (self.total - self.open) // self.total if self.total else 100


_LIVE = Q(key__state=KeyState.ACTIVE)
_KEPT = Q(decision=ReviewedKey.Decision.KEPT)
_REVOKED = Q(decision=ReviewedKey.Decision.REVOKED)
# A key that is to be revoked and still lives is not done: the portal may have been killed in between.
_OPEN = _LIVE & ~_KEPT


def reviewed_keys(who: Person, review: AccessReview) -> QuerySet[ReviewedKey]:
    """Return the keys of a review this person may see: their teams' if they lead, all for Security."""
    keys = review.reviewed_keys.select_related(
        "key", "key__owner", "key__account", "key__request", "team", "decided_by"
    )
    return keys if who.is_security else keys.filter(team__in=who.led_team_ids)


def to_decide(keys: QuerySet[ReviewedKey]) -> QuerySet[ReviewedKey]:
    """Narrow the keys of a review to those still to be decided."""
    return keys.filter(_OPEN)


def undecided_by_review(who: Person) -> list[tuple[str, int]]:
    """Return the quarter of each open review with keys that this person still has to decide, and how many."""
    rows = ReviewedKey.objects.filter(_OPEN, review__closed_at=None).exclude(key__owner=who.user)
    mine = rows if who.is_security else rows.filter(team__in=who.led_team_ids)
    counted = mine.order_by("review__quarter").values("review__quarter").annotate(keys=Count("pk"))
    return [(row["review__quarter"], row["keys"]) for row in counted]


def progress(who: Person, review: AccessReview) -> list[Progress]:
    """Return how far each team is that this person may see."""
    counted = (
        reviewed_keys(who, review)
        .order_by()
        .values("team")
        .annotate(
            kept=Count("pk", filter=_KEPT),
            revoked=Count("pk", filter=_REVOKED & ~_LIVE),
            gone=Count("pk", filter=~_KEPT & ~_REVOKED & ~_LIVE),
            open=Count("pk", filter=_OPEN),
        )
    )
    teams = Team.objects.in_bulk([row["team"] for row in counted])
    rows = [Progress(teams[row["team"]], row["kept"], row["revoked"], row["gone"], row["open"]) for row in counted]
    return sorted(rows, key=lambda row: row.team.name)


def why_not_reviewable(who: Person, reviewed: ReviewedKey) -> str:
    """Return why this person cannot decide about a key they see in a review; empty if they can."""
    if reviewed.review.closed_at:
        return f"This review is closed, since {moment(reviewed.review.closed_at)}."
    if ended := why_not_active(reviewed.key):
        return f"{ended} There is nothing to decide."
    if reviewed.key.owner_id == who.user.pk:
        return "This is your own key. Another lead of the team, or Security, decides about it."
    return ""
