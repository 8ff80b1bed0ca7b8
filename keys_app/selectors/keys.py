"""Which keys a person may see, change and revoke."""

from datetime import timedelta
from typing import TYPE_CHECKING, TypedDict

from django.db.models import Case, Exists, OuterRef, Q, QuerySet, When
from django.utils import timezone

from ..domain.states import KeyState
from ..models import Account, ApiKey, KeyRequest, Team, TeamMembership, UnmanagedKey
from .people import Person, teams_led

LIVE_KEYS = (KeyState.ACTIVE, KeyState.REVOKING)
SOON = timedelta(days=14)
"""A key that expires within this time is listed as expiring."""

OWNER_LEFT = Q(owner__is_active=False) | ~Exists(
    TeamMembership.objects.filter(team=OuterRef("team"), user=OuterRef("owner"))
)

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations
"""Keys whose owner was deactivated, or is no longer in the key's team."""


def changeable_keys(who: Person) -> QuerySet[ApiKey]:
    """Return the live keys this person may ask a change of: their own."""
    made = ApiKey.objects.filter(owner=who.user, state=KeyState.ACTIVE, retires_at=None, request__isnull=False)
    return made.select_related("account", "request")


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


def visible_unmanaged(who: Person) -> QuerySet[UnmanagedKey]:
    """Return the keys the portal never made, on the accounts of teams this person leads; all for Security."""
    keys = UnmanagedKey.objects.select_related("account", "proposed_team", "proposed_by")
    if who.is_security:
        return keys
    accounts = Account.objects.filter(teams__in=who.led_team_ids)
    return keys.filter(account__in=accounts)


def adopting_teams(who: Person, unmanaged: UnmanagedKey) -> QuerySet[Team]:
    """Return the teams this person may adopt a key for: those they lead, with its account."""
    return teams_led(who).filter(accounts=unmanaged.account_id)
