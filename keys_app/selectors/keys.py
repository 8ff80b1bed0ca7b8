"""Which keys a person may see, change and revoke."""

from django.db.models import Q, QuerySet

from ..domain.states import KeyState
from ..models import ApiKey, KeyRequest
from .people import Person

LIVE_KEYS = (KeyState.ACTIVE, KeyState.REVOKING)


def changeable_keys(who: Person) -> QuerySet[ApiKey]:
    """Return the live keys this person may ask a change of: their own."""
    return ApiKey.objects.filter(owner=who.user, state=KeyState.ACTIVE).select_related("account", "request")


def visible_keys(who: Person) -> QuerySet[ApiKey]:
    """Return the keys this person may see, by the same rule as requests."""
    keys = ApiKey.objects.select_related("owner", "team", "account", "request")
    if who.is_security:
        return keys
    return keys.filter(Q(owner=who.user) | Q(team__in=who.led_team_ids))


def can_revoke(who: Person, key: ApiKey) -> bool:
    return key.owner_id == who.user.pk or key.team_id in who.led_team_ids or who.is_security


def keys_held(key_request: KeyRequest) -> QuerySet[ApiKey]:
    """Return what the requester and the team of a request already hold on its account."""
    theirs = Q(team=key_request.team_id) | Q(owner=key_request.requester_id)
    live = ApiKey.objects.filter(theirs, account=key_request.account_id, state__in=LIVE_KEYS)
    return live.select_related("owner", "team").order_by("-issued_at")
