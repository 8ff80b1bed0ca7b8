"""Django's admin: leads and Security decide requests, portal admins keep people, teams, accounts and the rules."""

from . import catalogue, notices, people, requests, rules

__all__ = ["catalogue", "notices", "people", "requests", "rules"]
