"""What groups of the sign-in provider give here: as a file says it, or the table in the admin if there is none."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.contrib.auth.models import Group

from keys_app.core.errors import SignInRefused

from .access import ENGINEERS, SECURITY, TEAM_LEADS
from .models import ProviderGroup, Team

ROLES = (ENGINEERS, TEAM_LEADS, SECURITY)
_KINDS: dict[str, type] = {"group": str, "team": str, "teams": list, "lead": bool, "admin": bool}
_FORM = '[groups."name"] with group, team or teams, lead, admin'


class BadFile(SignInRefused):
    """The file of groups can't be read, or names what is not there. Its text says which."""


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One right: the role (a group of the portal), a team, the lead of one, or portal admin."""

    kind: str
    what: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.what}"

    @classmethod
    def read(cls, text: str) -> "Right":
        """Return the right that `str` made this text of."""
        kind, _, what = text.partition(":")
        return cls(kind, what)


ROLE, TEAM, LEAD, ADMIN = "role", "team", "lead", "admin"

Rights = frozenset[Right]


def rights_of_groups(file: Path | None) -> dict[str, Rights]:
    """Return what each group of the provider gives. Raises `BadFile`."""
    return _of_file(file) if file else _of_table()


def wanted(groups: Iterable[str], given: Mapping[str, Rights]) -> Rights:
    """Return what these groups of the provider give together."""
    return frozenset().union(*(given.get(group, frozenset()) for group in groups))


def _of_table() -> dict[str, Rights]:
    rows = ProviderGroup.objects.select_related("group").prefetch_related("teams")
    return {
        one.name: _rights(
            one.group.name if one.group else "", [team.pk for team in one.teams.all()], one.lead, one.admin
        )
        for one in rows
    }


def _of_file(file: Path) -> dict[str, Rights]:
    try:
        groups = tomllib.loads(file.read_text(encoding="utf-8")).get("groups")
    except (OSError, ValueError) as error:
        raise BadFile(f"The file that PORTAL_OIDC_GROUPS_FILE names can’t be read: {type(error).__name__}.") from None
    if not isinstance(groups, dict) or not all(isinstance(one, dict) for one in groups.values()):
        raise BadFile(f"The file that PORTAL_OIDC_GROUPS_FILE names has no groups: {_FORM}.")
    teams = dict(Team.objects.values_list("name", "pk"))
    roles = set(Group.objects.filter(name__in=ROLES).values_list("name", flat=True))
    return {name: _of_entry(name, entry, teams, roles) for name, entry in groups.items()}


def _of_entry(name: str, entry: dict[str, Any], teams: dict[str, int], roles: set[str]) -> Rights:
    def refuse(what: str) -> BadFile:
        return BadFile(f"PORTAL_OIDC_GROUPS_FILE, group “{name}”: {what}.")

    for key, value in entry.items():
        if key not in _KINDS or not isinstance(value, _KINDS[key]):
            raise refuse(f"“{key}” is not one of its settings, or has another kind of value: {_FORM}")
    role = entry.get("group", "")
    if role and role not in roles:
        raise refuse(f"there is no group “{role}” in the portal, but {', '.join(ROLES)}")
    named = [*entry.get("teams", []), *([entry["team"]] if "team" in entry else [])]
    for team in named:
        if team not in teams:
            raise refuse(f"there is no team “{team}” in the portal")
    if entry.get("lead") and not named:
        raise refuse("lead is set, and no team")
    return _rights(role, [teams[team] for team in named], entry.get("lead", False), entry.get("admin", False))


def _rights(role: str, teams: Iterable[int], lead: bool, admin: bool) -> Rights:
    kinds = (TEAM, LEAD) if lead else (TEAM,)
    return frozenset(
        [
            *([Right(ROLE, role)] if role else []),
            *(Right(kind, str(team)) for team in teams for kind in kinds),
            *([Right(ADMIN)] if admin else []),
        ]
    )
