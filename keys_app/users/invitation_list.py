"""Reads whom a portal admin invites at once: lines of CSV as a spreadsheet gives them."""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import StringIO

from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.urls import reverse

from keys_app.core.actor import Actor, name_and_login
from keys_app.core.text import counted
from keys_app.core.typed import line_problem, unified
from keys_app.organisation import access
from keys_app.organisation.models import Team, TeamMembership
from keys_app.organisation.recorded_state import lock_and_read
from keys_app.organisation.sent_forms import claim

from . import account_changes, invitations
from .admin_events import record_admin_change

COLUMNS = ("login", "name", "email", "group", "team", "leads")
HEADER = ",".join(COLUMNS)
MOST = 500
"""Users in one list."""
_MAX_NAME = 150
_MAX_MAIL = 254
_LEADS = {"": False, "no": False, "false": False, "0": False, "yes": True, "true": True, "1": True}


@dataclass(frozen=True, slots=True)
class Newcomer:
    """One who is to be invited."""

    login: str
    first_name: str
    last_name: str
    mail: str
    group: Group | None
    team: Team | None
    leads: bool


class Faulty(Exception):
    """A list that is not taken. `faults` says what is wrong, each with its line."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__(*faults)
        self.faults = faults


def read(text: str) -> list[Newcomer]:
    """Return whom a list names, in its order. Raises `Faulty` with every fault of every line."""
    newcomers, faults, logins = [], [], set[str]()
    line_of = _Line()
    for number, cells in _lines(text):
        found, wrong = line_of.read(cells)
        if found.login.casefold() in logins:
            wrong.append(f"The login {found.login} stands above already.")
        logins.add(found.login.casefold())
        faults += [f"Line {number}: {one}" for one in wrong]
        newcomers.append(found)
    if not newcomers:
        raise Faulty(["There is no one below the first line."])
    if len(newcomers) > MOST:
        raise Faulty([f"There are {len(newcomers)} users. At most {MOST} are invited at once."])
    if faults:
        raise Faulty(faults)
    return newcomers


def invite_all(newcomers: list[Newcomer], *, actor: Actor) -> list[invitations.Invitation]:
    """Create users without a password, each in their group and team, and invite them: all, or none.

    Everything is an event; Security is told once of all of them. Raises `AlreadyMade` for a form that was sent before,
    `IntegrityError` where another user took a login at this moment.
    """
    with transaction.atomic():
        claim(actor, reverse("admin:auth_user_changelist"))
        users = [_create(one, actor) for one in newcomers]
        for team in {one.team.pk: one.team for one in newcomers if one.team}.values():
            members = [(user, one) for user, one in zip(users, newcomers, strict=True) if one.team == team]
            _add_to(team, members, actor)
        account_changes.tell_of_invited(users=users, actor=actor)
        return invitations.invite(users, actor=actor)


def _create(one: Newcomer, actor: Actor) -> User:
    user = User(username=one.login, first_name=one.first_name, last_name=one.last_name, email=one.mail)
    user.set_unusable_password()
    user.save(force_insert=True)
    if one.group:
        user.groups.add(one.group)
    record_admin_change(actor=actor, what="created", subject=user, changes=[], tells=False)
    return user


def _add_to(team: Team, members: list[tuple[User, Newcomer]], actor: Actor) -> None:
    before = lock_and_read(team)
    TeamMembership.objects.bulk_create(
        TeamMembership(team=team, user=user, is_lead=newcomer.leads) for user, newcomer in members
    )
    record_admin_change(actor=actor, what="changed", subject=team, changes=[], before=before, tells=False)


def _lines(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the number and the cells, by column, of each line below the first. Raises `Faulty`."""
    text = unified(text).lstrip("\ufeff")
    first = text.partition("\n")[0]
    between = next((mark for mark in ",;\t" if mark in first), ",")
    lines = csv.reader(StringIO(text, newline=""), delimiter=between, strict=True)
    try:
        names = [name.strip().lower() for name in next(lines, [])]
        if sorted(names) != sorted(COLUMNS):
            raise Faulty([f"Line 1 has to name the columns: {HEADER}"])
        for cells in lines:
            if any(cell.strip() for cell in cells):
                if len(cells) != len(names):
                    raise Faulty([f"Line {lines.line_num} has {counted(len(cells), 'column')} instead of 6."])
                yield lines.line_num, dict(zip(names, map(str.strip, cells), strict=True))
    except csv.Error as error:
        raise Faulty([f"Line {lines.line_num} can’t be read as CSV: {error}."]) from None


class _Line:
    """Reads one line by the groups and teams there are."""

    def __init__(self) -> None:
        self.groups = {group.name.casefold(): group for group in Group.objects.filter(name__in=access.ROLES)}
        self.teams = {team.name.casefold(): team for team in Team.objects.all()}

    def read(self, cells: dict[str, str]) -> tuple[Newcomer, list[str]]:
        """Return who it is, as far as it can be read, and what is wrong with it."""
        first, _, last = cells["name"].partition(" ")
        group = self.groups.get(cells["group"].casefold())
        team = self.teams.get(cells["team"].casefold())
        leads = _LEADS.get(cells["leads"].casefold(), False)
        found = Newcomer(cells["login"], first, last.strip(), cells["email"], group, team, leads)
        return found, [*_login_faults(found.login), *_own_faults(cells), *self._rights_faults(found, cells)]

    def _rights_faults(self, found: Newcomer, cells: dict[str, str]) -> Iterator[str]:
        if cells["group"] and found.group is None:
            yield f"There is no group “{cells['group']}”. There are {', '.join(access.ROLES)}."
        if cells["team"] and found.team is None:
            yield f"There is no team “{cells['team']}”."
        if cells["leads"].casefold() not in _LEADS:
            yield "“leads” is yes or no."
        if found.leads and not cells["team"]:
            yield "Who leads needs a team."
        if found.leads and cells["group"].casefold() != access.TEAM_LEADS.casefold():
            yield f"Who leads a team is in the group {access.TEAM_LEADS}."


def _login_faults(login: str) -> Iterator[str]:
    try:
        User._meta.get_field("username").clean(login, None)
    except ValidationError as error:
        yield f"The login “{login}” can’t be one: {' '.join(error.messages)}" if login else "There is no login."
        return
    if twin := access.same_login(login):
        yield f"The login {login} is taken: {name_and_login(twin)}. Case makes no difference."


def _own_faults(cells: dict[str, str]) -> Iterator[str]:
    if problem := line_problem(cells["name"], "name"):
        yield problem
    if len(cells["name"]) > _MAX_NAME:
        yield f"The name has {len(cells['name'])} characters; at most {_MAX_NAME} are kept."
    if cells["email"] and not _passes(validate_email, cells["email"]):
        yield f"“{cells['email']}” is no mail address."
    elif len(cells["email"]) > _MAX_MAIL:
        yield f"The mail address has {len(cells['email'])} characters; at most {_MAX_MAIL} are kept."


def _passes(rule: Callable[[str], None], text: str) -> bool:
    try:
        rule(text)
    except ValidationError:
        return False
    return True
