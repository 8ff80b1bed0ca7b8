"""The lists of the portal: what each is searched by, narrowed by and sorted by.

Filters in the address, and what `sort` takes:

| list | filters | orders |
|---|---|---|
| `/requests/` | `state` (or `open`), `risk`, `account`, `team`, `requester`, `age` | `newest`, `waiting`, `risk` |
| `/keys/` | `state`, `risk`, `account`, `team`, `owner`, `age`, `ending` | `newest`, `ending`, `name` |
| `/keys/left/` | `account`, `team`, `owner` | `revoked`, `newest`, `name` |
| `/keys/unmanaged/` | `show`, `risk`, `account`, `age` | `newest`, `oldest`, `name` |
| `/reviews/<quarter>/` | `show` (`all`), `team`, `account`, `owner`, `risk`, `ending` | `team`, `ending`, `name` |
| `…/reports/decisions/` | `by`, `decision`, `risk`, `account`, `team`, `requester` | `newest`, `oldest`, `decision` |

What the names mean is said in `http/listing.py`. Each order has its index, with the same keys: `request_newest` and so
on, in the `Meta` of the model. Only a review's orders have none: its rows are found by the review, and are few.
"""

from dataclasses import dataclass
from typing import Any

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Lower

from keys_app.core.text import label
from keys_app.key_requests import queries as requests
from keys_app.key_requests.decision_models import Approval
from keys_app.key_requests.models import PENDING_RANK, PENDING_SINCE, RISK_RANK
from keys_app.key_requests.states import RequestState
from keys_app.keys import queries as keys
from keys_app.keys.models import STATE_RANK, ApiKey
from keys_app.organisation.access import Person
from keys_app.organisation.models import Account, Team
from keys_app.permissions.risk import Risk
from keys_app.reconcile import queries as unmanaged
from keys_app.reports import decisions
from keys_app.views.http.filters import DaysFilter, Filter, Found, Options, PersonFilter, RelatedFilter
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

UNMANAGED = Listing(
    noun=("key", "keys"),
    searched="Name or SID",
    found_by=unmanaged.unmanaged_has_word,
    sorts=(
        by_time("newest", "Found last", "-first_seen", "-sid"),
        Sort("oldest", "Oldest at Twilio", (key("created_at", nullable=True), key("sid"))),
        _KEYS_BY_NAME,
    ),
    filters=(
        Filter("show", "Show", unmanaged.SHOWN, unmanaged.is_shown, any_label="Those that exist"),
        Filter("risk", "Risk", RISKS, unmanaged.unmanaged_has_risk),
        account_filter(),
        DaysFilter("age", "First seen", "Over {} ago", (1, 7, 30, 90), lambda moment: Q(first_seen__lt=moment)),
    ),
)


@dataclass(frozen=True, slots=True)
class DecidedByFilter:
    """Who decided: a user name, or a rule."""

    name: str = "by"
    label: str = "Decided by"
    any_label: str = "Anyone"
    is_text: bool = False

    def options(self, rows: QuerySet[Any], who: Person) -> Options:
        return decisions.all_who_decided()

    def find(self, value: str, options: Options, who: Person) -> Found | None:
        return dict(options).get(value, value), decisions.decided_by(value)


DECISIONS = Listing(
    noun=("decision", "decisions"),
    searched="Request, ticket, person or reason",
    found_by=decisions.has_word,
    sorts=(
        by_time("newest", "Newest", "-created_at", "-id"),
        Sort("oldest", "Oldest", (key("created_at"), key("id")), back="Older", on="Newer"),
        Sort("decision", "Decision", (key("-decision"), key("-created_at"), key("-id"))),
    ),
    filters=(
        DecidedByFilter(),
        Filter("decision", "Decision", dict(Approval.Decision.choices), lambda decision: Q(decision=decision)),
        Filter("risk", "Risk", RISKS, lambda risk: Q(request__risk=risk)),
        account_filter("request__account"),
        team_filter("request__team"),
        PersonFilter("requester", "For", "request__requester"),
    ),
)

REVIEWED = Listing(
    noun=("key", "keys"),
    searched="Name, SID or owner",
    found_by=lambda word: keys.has_word(word, "key__"),
    sorts=(
        Sort("team", "Team and owner", (key("team__name"), key("key__owner__username"), key("id"))),
        Sort("ending", "Ending soonest", (key("key__expires_at"), key("id"))),
        Sort("name", "Name", (SortKey(Lower("key__friendly_name")), key("id"))),
    ),
    filters=(
        Filter("show", "Show", {"all": "Every key of the review"}, lambda _: Q(), any_label="Those to decide"),
        Filter("risk", "Risk", RISKS, lambda risk: Q(key__in=ApiKey.objects.filter(keys.has_risk(risk)))),
        account_filter("key__account"),
        team_filter(),
        PersonFilter("owner", "Owner", "key__owner"),
        DaysFilter(
            "ending", "Ending", "Within {}", (3, 14, 30, 90), lambda end: Q(key__expires_at__lt=end), ahead=True
        ),
    ),
    most=50,  # which is also the most that one press decides
)
