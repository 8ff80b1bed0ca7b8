"""Who may see and do what. Views and services fetch objects only through here."""

from .audit import completions
from .catalogue import current_catalogue
from .keys import LIVE_KEYS, can_revoke, changeable_keys, live_keys_of, visible_keys
from .people import (
    ENGINEERS,
    SECURITY,
    TEAM_LEADS,
    Person,
    accounts_for,
    display_name,
    may_manage_feeds,
    person,
    teams_for,
)
from .reports import decisions, expiring_keys, issued_of, live_keys, unconfirmed_keys
from .requests import (
    OPEN_REQUESTS,
    TO_PRESS,
    approvals_needed,
    copyable_requests,
    replacements_left,
    visible_requests,
    waiting_for,
    why_not_decidable,
)
from .reviews import progress, reviewed_keys, to_decide, why_not_reviewable
from .subjects import events_about, records_of_key, records_of_person

__all__ = [
    "ENGINEERS",
    "LIVE_KEYS",
    "OPEN_REQUESTS",
    "Person",
    "SECURITY",
    "TEAM_LEADS",
    "TO_PRESS",
    "accounts_for",
    "approvals_needed",
    "can_revoke",
    "changeable_keys",
    "completions",
    "copyable_requests",
    "current_catalogue",
    "decisions",
    "display_name",
    "events_about",
    "expiring_keys",
    "issued_of",
    "live_keys",
    "live_keys_of",
    "may_manage_feeds",
    "person",
    "progress",
    "records_of_key",
    "records_of_person",
    "replacements_left",
    "reviewed_keys",
    "teams_for",
    "to_decide",
    "unconfirmed_keys",
    "visible_keys",
    "visible_requests",
    "waiting_for",
    "why_not_decidable",
    "why_not_reviewable",
]
