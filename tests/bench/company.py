"""The people, teams and accounts of a portal that is filled in bulk: see `bulk`."""

from dataclasses import dataclass, field
from datetime import timedelta

from django.contrib.auth.models import Group, User
from django.utils import timezone

from keys_app.core.secret import Secret
from keys_app.organisation import access
from keys_app.organisation.credentials import encrypt
from keys_app.organisation.models import Account, Team, TeamMembership

YEARS = timedelta(days=3 * 365)
"""Since when there has been anything."""


@dataclass
class Company:
    """Who works there. `engineer` and `lead` are in the first team, which has a share of everything; so is `colead`."""

    engineer: User
    lead: User
    security: User
    admin: User
    teams: list[Team] = field(default_factory=list)
    accounts: dict[int, list[Account]] = field(default_factory=dict)
    members: dict[int, list[User]] = field(default_factory=dict)
    leads: dict[int, list[User]] = field(default_factory=dict)


def found() -> Company:
    """Create the first team, its account, and the people whose pages are looked at."""
    Group.objects.bulk_create([Group(name=name) for name in access.ROLES], ignore_conflicts=True)
    roles = ("engineer", "lead", "colead", "security", "admin")
    users = User.objects.bulk_create(User(username=role, is_superuser=role == "admin") for role in roles)
    engineer, lead, colead, security, admin = users
    company = Company(engineer, lead, security, admin)
    security.groups.add(Group.objects.get(name=access.SECURITY))
    _team(company, "First", [engineer], [lead, colead])
    _account(company, 0, company.teams[0])
    return company


def _team(company: Company, name: str, members: list[User], leads: list[User]) -> Team:
    team = Team.objects.create(name=name)
    In = User.groups.through
    groups = {group.name: group.pk for group in Group.objects.all()}
    for users, group, is_lead in ((members, access.ENGINEERS, False), (leads, access.TEAM_LEADS, True)):
        In.objects.bulk_create(In(user=user, group_id=groups[group]) for user in users)
        TeamMembership.objects.bulk_create(TeamMembership(team=team, user=user, is_lead=is_lead) for user in users)
    company.teams.append(team)
    company.members[team.pk], company.leads[team.pk] = members, leads
    return team


def _account(company: Company, number: int, *teams: Team) -> None:
    account = Account.objects.create(
        sid=f"AC{number:032x}",
        name=f"Account {number}",
        environment=("production", "staging", "development")[number % 3],
        credential_user=f"SK{number:032x}",
        credential_ciphertext=encrypt(Secret("nothing")),
        connected_at=timezone.now() - YEARS,
    )
    account.teams.set(teams)
    for team in teams:
        company.accounts.setdefault(team.pk, []).append(account)


def grow(company: Company, requests: int) -> None:
    """Add people for so many more requests: one for each fifty, ten to a team, of whom one in thirty has left."""
    first = len(company.teams)
    for number in range(first, first + max(4, requests // 500)):
        users = User.objects.bulk_create(
            User(
                username=f"person-{number}-{one}",
                first_name=f"Name{one}",
                last_name=f"Of{number}",
                is_active=(10 * number + one) % 30 != 0,
            )
            for one in range(10)
        )
        team = _team(company, f"Team {number}", users[:8], users[8:])
        _account(company, number, team, *company.teams[: number % 20 == 0])
