"""Django's admin: leads and Security decide requests, portal admins keep teams, accounts and people."""

from . import catalogue, notices, people, requests, rules

__all__ = ["catalogue", "notices", "people", "requests", "rules"]
