"""What of a team on one account has a name already: nothing forbids it, and two of one name are hard to tell apart."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from keys_app.core.actor import name_and_login
from keys_app.core.typed import unified
from keys_app.key_requests.models import KeyRequest
from keys_app.key_requests.queries import OPEN_REQUESTS
from keys_app.key_requests.validation import name_problem
from keys_app.organisation.access import Person

from .models import ApiKey
from .queries import LIVE_KEYS

_TOLD = 3


@dataclass(frozen=True, slots=True)
class Twin:
    """A live key, or an open request, with the name. `at` is when it was issued, or sent."""

    what: str
    who: str
    at: datetime


def twins_of(key_request: KeyRequest, who: Person) -> list[Twin]:
    """Return what has the name of an open request besides it; nothing for one that is over, or became a key.

    Nor for who has nothing to do with its team, as a requester who left it: what a team has is not told to others.
    """
    may_know = who.is_security or key_request.team_id in {*who.team_ids, *who.led_team_ids}
    if key_request.state not in OPEN_REQUESTS or not may_know:
        return []
    return same_names(
        name=key_request.friendly_name,
        account_id=key_request.account_id,
        team_id=key_request.team_id,
        besides=key_request,
        changes=key_request.changes_key_id or "",
    )


def same_names(
    *, name: str, account_id: str, team_id: int, besides: KeyRequest | None = None, changes: str = ""
) -> list[Twin]:
    """Return the first live keys and open requests of a team on an account with this name, whatever its case.

    `changes` is the SID of the key that a request changes, which has its name by right. A name that would be refused
    has no twin, and is not looked for: PostgreSQL can't look for every text.
    """
    name = unified(name)
    if name_problem(name):
        return []
    named = Q(request__friendly_name__iexact=name) | Q(request=None, friendly_name__iexact=name)
    place = {"account_id": account_id, "team_id": team_id}
    keys = ApiKey.objects.filter(named, state__in=LIVE_KEYS, **place).exclude(pk=changes)
    if besides:
        keys = keys.exclude(request=besides.pk)
    requests = KeyRequest.objects.filter(friendly_name__iexact=name, state__in=OPEN_REQUESTS, **place)
    if besides:
        requests = requests.exclude(pk=besides.pk)
    found = [
        Twin("live key", name_and_login(key.owner), key.issued_at)
        for key in keys.select_related("owner").order_by("-issued_at")[:_TOLD]
    ]
    found += [
        Twin("open request", name_and_login(one.requester), one.created_at)
        for one in requests.select_related("requester").order_by("-created_at")[:_TOLD]
    ]
    return found[:_TOLD]
