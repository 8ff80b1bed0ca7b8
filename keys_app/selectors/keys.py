"""Which keys a person may see, change and revoke."""

from django.db.models import Q, QuerySet

from ..domain.states import KeyState
from ..models import Account, ApiKey, Team
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


def live_keys_of(team: Team, account: Account) -> QuerySet[ApiKey]:
    """Return what a team already holds on an account."""
    return ApiKey.objects.filter(team=team, account=account, state__in=LIVE_KEYS).select_related("owner")
