"""Who may see and do what. Views and services fetch objects only through here."""

from .catalogue import current_catalogue
from .keys import LIVE_KEYS, can_revoke, changeable_keys, live_keys_of, visible_keys
from .people import (
    ENGINEERS,
    SECURITY,
    TEAM_LEADS,
    Person,
    accounts_for,
    display_name,
    leads_of,
    person,
    teams_for,
)
from .requests import (
    OPEN_REQUESTS,
    TO_PRESS,
    approvals_needed,
    copyable_requests,
    deciders_of,
    replacements_left,
    visible_requests,
    waiting_for,
    why_not_decidable,
)

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
    "copyable_requests",
    "current_catalogue",
    "deciders_of",
    "display_name",
    "leads_of",
    "live_keys_of",
    "person",
    "replacements_left",
    "teams_for",
    "visible_keys",
    "visible_requests",
    "waiting_for",
    "why_not_decidable",
]
