"""The lists of approvals: what they are searched by, narrowed by and sorted by."""

from dataclasses import replace

from django.db.models import Q

from keys_app.organisation.models import Account
from keys_app.views.http.filters import Filter
from keys_app.views.lists import REQUESTS

YOURS = "yours"
TABS = {YOURS: "Yours to decide", "waiting": "Waiting for others", "decided": "Decided", "all": "All"}
"""What `?show=` may say, and what the tab of it is called. Without it, the list is of what is this person's turn."""
_KEPT = Filter("show", "Show", {name: TABS[name] for name in TABS if name != YOURS}, lambda _: Q(), TABS[YOURS])
_ENVIRONMENT = Filter(
    "environment", "Environment", dict(Account.Environment.choices), lambda value: Q(account__environment=value)
)
_NEWEST, _WAITING, _BY_RISK = REQUESTS.sorts


def _has_word(word: str) -> Q:
    return REQUESTS.found_by(word) | Q(purpose__icontains=word) | Q(account__name__icontains=word)


APPROVALS = replace(
    REQUESTS,
    searched="Name, purpose, ticket, account or requester",
    found_by=_has_word,
    filters=(_KEPT, *REQUESTS.filters, _ENVIRONMENT),
    sorts=(_WAITING, _NEWEST, _BY_RISK),
)
HISTORY = replace(APPROVALS, sorts=(_NEWEST, _WAITING, _BY_RISK))
