"""Which keys a person may see, change and revoke."""

from datetime import timedelta
from typing import TYPE_CHECKING, TypedDict

from django.db.models import Case, Exists, OuterRef, Q, QuerySet, When
from django.utils import timezone

from keys_app.core.present import present
from keys_app.core.times import moment
from keys_app.key_requests.approvals_today import approvals_today
from keys_app.key_requests.models import KeyRequest
from keys_app.organisation.access import Person
from keys_app.organisation.models import TeamMembership

from .models import ApiKey
from .states import KeyState

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations


LIVE_KEYS = (KeyState.ACTIVE, KeyState.REVOKING)
SOON = timedelta(days=14)
"""A key that expires within this time is listed as expiring."""

OWNER_LEFT = Q(owner__is_active=False) | ~Exists(
    TeamMembership.objects.filter(team=OuterRef("team"), user=OuterRef("owner"))
)
"""Keys whose owner was deactivated, or is no longer in the key's team."""


class KeyNotes(TypedDict):
    """What `visible_keys` says of each key besides its columns."""

    owner_left: bool


def visible_keys(who: Person) -> "QuerySet[WithAnnotations[ApiKey, KeyNotes]]":
    """Return the keys this person may see, by the same rule as requests. Each says with `owner_left` if so."""
    made = ApiKey.objects.select_related("owner", "team", "account", "request__team", "request__account", "issuance")
    keys = made.annotate(owner_left=Case(When(OWNER_LEFT, then=True), default=False))
    if who.is_security:
        return keys
    return keys.filter(Q(owner=who.user) | Q(team__in=who.led_team_ids))


def can_revoke(who: Person, key: ApiKey) -> bool:
    """Tell whether this person may revoke a key: its owner, who leads its team, or Security."""
    return key.owner_id == who.user.pk or key.team_id in who.led_team_ids or who.is_security


def keys_held(key_request: KeyRequest) -> QuerySet[ApiKey]:
    """Return what the requester and the team of a request already hold on its account."""
    theirs = Q(team=key_request.team_id) | Q(owner=key_request.requester_id)
    live = ApiKey.objects.filter(theirs, account=key_request.account_id, state__in=LIVE_KEYS)
    return live.select_related("owner", "team").order_by("-issued_at")


def keys_in_state(keys: QuerySet[ApiKey], state: str) -> QuerySet[ApiKey]:
    """Narrow keys to `live`, `expiring` (within 14 days) or `revoked`; anything else is all of them."""
    if state == "live":
        return keys.filter(state__in=LIVE_KEYS)
    if state == "expiring":
        return keys.filter(state=KeyState.ACTIVE, expires_at__lt=timezone.now() + SOON)
    return keys.filter(state=KeyState.REVOKED) if state == "revoked" else keys


def keys_matching(keys: QuerySet[ApiKey], words: str) -> QuerySet[ApiKey]:
    """Narrow keys to those whose name at Twilio or SID holds `words`."""
    return keys.filter(Q(friendly_name__icontains=words) | Q(sid__icontains=words)) if words else keys


def successor_of(key: ApiKey) -> ApiKey | None:
    """Return the key that a rotation put in this one's place."""
    return ApiKey.objects.filter(issuance__rotates=key).first() if key.retires_at else None


def left_keys(who: Person) -> QuerySet[ApiKey]:
    """Return the live keys of people who left, of the teams this person leads; all for Security."""
    keys = ApiKey.objects.filter(OWNER_LEFT, state=KeyState.ACTIVE).select_related("owner", "team", "account")
    return keys if who.is_security else keys.filter(team__in=who.led_team_ids)


def can_take_over(who: Person, key: "WithAnnotations[ApiKey, KeyNotes]") -> bool:
    """Tell whether this person may become the owner of one of `visible_keys`: a lead of its team, if its owner left."""
    return key.state == KeyState.ACTIVE and key.owner_left and key.team_id in who.own_led_team_ids


def doubts_about(who: Person, key: ApiKey) -> tuple[str, ...]:
    """Return what of a live key's approval is not as it was, in sentences, for a lead of the team or Security."""
    overseen = key.team_id in who.led_team_ids or who.is_security
    if not overseen or key.request is None or key.state != KeyState.ACTIVE:
        return ()
    return approvals_today(key.request).reasons


def why_not_active(key: ApiKey) -> str:
    """Return what became of a key that is no longer active; empty if it is."""
    if key.state == KeyState.REVOKED:
        return f"This key is revoked, since {moment(present(key.revoked_at))}: “{key.revoke_reason}”"
    if key.state == KeyState.REVOKING:
        return f"This key is revoking: “{key.revoke_reason}” The portal keeps retrying until Twilio has deleted it."
    return ""
