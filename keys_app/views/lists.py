"""The lists of the portal: what each is searched by, narrowed by and sorted by.

| list | filters in the address | `sort` |
|---|---|---|
| `/requests/` | `state` (or `open`), `risk`, `account`, `team`, `requester`, `age` | `newest`, `waiting`, `risk` |
| `/keys/` | `state`, `risk`, `account`, `team`, `owner`, `age`, `ending` | `newest`, `ending`, `name` |
| `/keys/left/` | `account`, `team`, `owner` | `revoked`, `newest`, `name` |

What the names mean is said in `http/listing.py`. Each order has its index, with the same keys: `request_newest` and so
on, in the `Meta` of the model.
"""

from django.db.models import F, Q
from django.db.models.functions import Lower

from keys_app.core.text import label
from keys_app.key_requests import queries as requests
from keys_app.key_requests.models import PENDING_RANK, PENDING_SINCE, RISK_RANK
from keys_app.key_requests.states import RequestState
from keys_app.keys import queries as keys
from keys_app.keys.models import STATE_RANK
from keys_app.organisation.models import Account, Team
from keys_app.permissions.risk import Risk
from keys_app.views.http.filters import DaysFilter, Filter, PersonFilter, RelatedFilter
from keys_app.views.http.keyset import Sort, SortKey, key
from keys_app.views.http.listing import Listing

RISKS = {risk.value: label(risk) for risk in reversed(Risk)}
REQUEST_STATES = {"open": "Open", **{state.value: label(state) for state in RequestState}}


def _request_state(state: str) -> Q:
    return Q(state__in=requests.OPEN_REQUESTS) if state == "open" else Q(state=state)


def account_filter(path: str = "account") -> RelatedFilter:
    """Return the filter of the accounts that rows lead to by `path`."""
    return RelatedFilter(
        "account", "Account", path, Account, lambda one: f"{one.name} ({one.get_environment_display()})"
    )


def team_filter(path: str = "team") -> RelatedFilter:
    """Return the filter of the teams that rows lead to by `path`."""
    return RelatedFilter("team", "Team", path, Team)


def by_time(name: str, title: str, *columns: str) -> Sort:
    """Return an order, the latest first."""
    return Sort(name, title, tuple(map(key, columns)), back="Newer", on="Older")


REQUESTS = Listing(
    noun=("request", "requests"),
    searched="Name, ticket, SID or requester",
    found_by=requests.has_word,
    sorts=(
        by_time("newest", "Newest", "-created_at", "-id"),
        Sort("waiting", "Oldest waiting", (SortKey(PENDING_RANK), SortKey(PENDING_SINCE), key("id"))),
        Sort("risk", "Risk", (SortKey(RISK_RANK, descending=True), key("-created_at"), key("-id"))),
    ),
    filters=(
        Filter("state", "State", REQUEST_STATES, _request_state),
        Filter("risk", "Risk", RISKS, lambda risk: Q(risk=risk)),
        account_filter(),
        team_filter(),
        PersonFilter("requester", "Requester", "requester"),
        DaysFilter("age", "Age", "Older than {}", (1, 3, 7, 30), lambda moment: Q(created_at__lt=moment)),
    ),
)

_NEWEST_KEYS = by_time("newest", "Newest", "-issued_at", "-sid")
_KEYS_BY_NAME = Sort("name", "Name", (SortKey(Lower("friendly_name")), key("sid")))

KEYS = Listing(
    noun=("key", "keys"),
    searched="Name, SID or owner",
    found_by=keys.has_word,
    sorts=(
        _NEWEST_KEYS,
        Sort("ending", "Ending soonest", (SortKey(STATE_RANK), key("expires_at"), key("sid"))),
        _KEYS_BY_NAME,
    ),
    filters=(
        Filter("state", "State", keys.STATES, keys.in_state),
        Filter("risk", "Risk", RISKS, keys.has_risk),
        account_filter(),
        team_filter(),
        PersonFilter("owner", "Owner", "owner"),
        DaysFilter("age", "Age", "Older than {}", (30, 90, 180, 365), lambda moment: Q(issued_at__lt=moment)),
        DaysFilter("ending", "Ending", "Within {}", (3, 14, 30, 90), keys.ends_before, ahead=True),
    ),
)

LEFT_KEYS = Listing(
    noun=("key", "keys"),
    searched="Name, SID or owner",
    found_by=keys.has_word,
    sorts=(
        Sort("revoked", "Revoked soonest", (SortKey(F("handover_by"), nullable=True), key("sid"))),
        _NEWEST_KEYS,
        _KEYS_BY_NAME,
    ),
    filters=(account_filter(), team_filter(), PersonFilter("owner", "Who left", "owner")),
)
