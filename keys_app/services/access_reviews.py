"""Quarterly access reviews: Security opens one, leads keep or revoke each live key, Security closes it."""

import re

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from .. import selectors
from ..db import compare_and_swap, lock_row
from ..domain.errors import Conflict, InvalidInput, NotAllowed
from ..domain.request_rules import MAX_REASON
from ..domain.states import KeyState
from ..models import AccessReview, ApiKey, ReviewedKey, Team
from . import lifecycle, notifications
from .actors import Actor, record
from .reasons import check_reason, require_reason

_QUARTER = re.compile(r"20\d\d-Q[1-4]")


def open_review(*, quarter: str, actor: Actor) -> AccessReview:
    """Ask about every key that is live now. Raises `Conflict` if the quarter has a review, or one is open."""
    _require_security(actor)
    if not _QUARTER.fullmatch(quarter):
        raise InvalidInput("quarter", "Write a quarter like 2026-Q4.")
    try:
        with transaction.atomic(durable=True):
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
    for team, leads in selectors.leads_by_team(Team.objects.filter(pk__in=teams)).items():
        notifications.notify(
            "access_review.opened",
            title=f"Say for each key of team {team} whether it is still needed",
            text=f"Security opened the access review of {quarter}.",
            path=reverse("portal:review_list"),
            people=selectors.or_leads_or_security(leads, team),
            team=team,
        )


def keep(*, reviewed: ReviewedKey, note: str, actor: Actor) -> None:
    """Note that a key is still needed."""
    check_reason(note, field="note")
    _decide(reviewed, ReviewedKey.Decision.KEPT, note, actor)


def revoke(*, reviewed: ReviewedKey, note: str, actor: Actor) -> None:
    """Note that a key is not needed any more, and revoke it with the note as the reason.

    Decision and revocation are recorded together or not at all. Raises `NotDeleted` if Twilio has not deleted the
    key yet; that is tried again.
    """
    require_reason(note, field="note")
    key = _decide(reviewed, ReviewedKey.Decision.REVOKED, note, actor)
    lifecycle.delete_now(key=key, actor=actor)


def _decide(reviewed: ReviewedKey, decision: ReviewedKey.Decision, note: str, actor: Actor) -> ApiKey:
    """Write a decision, or change it while the review is open and the key is live."""
    who = selectors.Person(actor.user) if actor.user else None
    if who is None or not (who.is_security or reviewed.team_id in who.led_team_ids):
        raise NotAllowed("Only a lead of the key's team or Security decides about it.")
    with transaction.atomic(durable=True):
        review = lock_row(AccessReview, reviewed.review_id)
        reviewed = ReviewedKey.objects.select_related("key", "key__team", "key__account").get(pk=reviewed.pk)
        reviewed.review = review
        if why_not := selectors.why_not_reviewable(who, reviewed):
            raise (NotAllowed if reviewed.key.owner_id == who.user.pk else Conflict)(why_not)
        reviewed.decision, reviewed.note = decision, note
        reviewed.decided_by, reviewed.decided_at = who.user, timezone.now()
        reviewed.save(update_fields=["decision", "note", "decided_by", "decided_at"])
        record(f"access_review.{decision}", actor, key=reviewed.key, reason=note, quarter=review.quarter)
        if decision == ReviewedKey.Decision.REVOKED:
            reason = f"Access review {review}: {note}"[:MAX_REASON]
            lifecycle.start_revoking(reviewed.key, reason, actor)
    return reviewed.key


def close_review(*, review: AccessReview, actor: Actor) -> None:
    """End a review, decided or not; what stays undecided is recorded. Raises `Conflict` if it is closed."""
    _require_security(actor)
    with transaction.atomic(durable=True):
        if not compare_and_swap(review, Q(closed_at=None), closed_at=timezone.now(), closed_by=actor.user):
            raise Conflict("This review is closed already.")
        teams = selectors.progress(selectors.Person(actor.signed_in), review)
        counts = {part: sum(getattr(team, part) for team in teams) for part in ("kept", "revoked", "gone", "open")}
        undecided = [team.team.name for team in teams if team.open]
        record("access_review.closed", actor, quarter=review.quarter, **counts, teams_not_done=undecided)


def _require_security(actor: Actor) -> None:
    if actor.user is None or not selectors.Person(actor.user).is_security:
        raise NotAllowed("Only Security opens and closes access reviews.")
