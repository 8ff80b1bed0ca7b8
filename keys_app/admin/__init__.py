"""Django's admin: leads and Security decide requests, portal admins keep people, teams, accounts and the rules."""

from . import accounts, catalogue, identities, provider_groups, rules, teams, users, webhooks
from .approvals import list as approvals

__all__ = ["accounts", "approvals", "catalogue", "identities", "provider_groups", "rules", "teams", "users", "webhooks"]
