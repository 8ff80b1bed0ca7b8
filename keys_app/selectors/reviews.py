"""Access reviews: who sees which, and how far they are."""

from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet

from ..domain.states import KeyState
from ..domain.times import moment
from ..models import AccessReview, ReviewedKey, Team
from .happened import why_not_active
from .people import Person


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
