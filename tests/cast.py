"""The people of the tests, by role, and how they act through the portal's pages."""

import re
from dataclasses import dataclass, field
from datetime import timedelta
from html import unescape
from typing import Any

from django.contrib.auth.models import Group, User
from django.db import connection
from django.db.models import F
from django.test import Client
from django.utils import timezone

from keys_app.catalogue.models import Probe
from keys_app.core.actor import Actor
from keys_app.core.secret import Secret
from keys_app.key_requests.decide import approve
from keys_app.key_requests.models import Issuance, KeyRequest
from keys_app.organisation import access
from keys_app.organisation.credentials import encrypt
from keys_app.organisation.models import Account, Team, TeamMembership

READ_MESSAGES = ["/twilio/messaging/messages/list", "/twilio/messaging/messages/read"]
READ_USAGE = ["/twilio/billing/usage/read"]
MAKE_KEYS = ["/twilio/iam/api-keys/create"]
OTHER_ACCOUNT = "AC" + "0" * 31 + "2"


@dataclass
class Cast:
    """Two teams with an account each, and everybody who has something to do with them.

    `engineer`, `colleague` and `lead` are in Payments, as is `colead`; `engineer2` and `lead2` are in Support.
    """

    account: Account
    other_account: Account
    team: Team
    other_team: Team
    people: dict[str, User] = field(default_factory=dict)

    def user(self, role: str) -> User:
        return User.objects.get(username=role)

    def client(self, role: str) -> Client:
        """Return a signed-in browser for a role."""
        client = Client()
        client.force_login(self.people[role])
        return client

    def form(self, **changes: Any) -> dict[str, Any]:
        """Return what a valid request form posts, with `changes`."""
        values = {
            "account": self.account.sid,
            "friendly_name": "usage-report",
            "purpose": "A monthly report.",
            "ticket_url": "",
            "lifetime_days": "30",
            "permissions": READ_USAGE,
        }
        return {**values, **changes}

    def ask(self, role: str = "engineer", **changes: Any) -> KeyRequest:
        """Send a request as `role` and return it."""
        answer = self.client(role).post("/requests/new/", self.form(**changes))
        assert answer.status_code == 302, answer.content.decode()
        return KeyRequest.objects.get(pk=answer["Location"].split("/")[2])

    def decide(self, role: str, key_request: KeyRequest, decision: str, reason: str = "", **changes: Any) -> Any:
        """Open the request in the admin as `role`, and press a button on what it shows."""
        url = f"/admin/keys_app/keyrequest/{key_request.pk}/change/"
        client = self.client(role)
        page = client.get(url)
        digest = re.search(r'name="digest" value="([0-9a-f]*)"', page.content.decode())
        fields = {"digest": digest.group(1) if digest else "", "decision": decision, "reason": reason}
        answer = client.post(url, {**fields, **changes})
        if answer.status_code == 302 and answer["Location"].startswith("/admin/login/"):
            return client.get(answer["Location"])  # the admin sends people there who may not enter it
        return answer

    def narrow(self, role: str, key_request: KeyRequest, keep: list[str], days: int = 30, **changes: Any) -> Any:
        """Open the request in the admin as `role`, and approve only `keep` for `days`."""
        fields = {"keep": keep, "lifetime_days": str(days), **changes}
        return self.decide(role, key_request, "narrow", fields.pop("reason", "Less is enough."), **fields)

    def delegate(self, lead: str, to: str, **changes: Any) -> Any:
        """Name a deputy from today on, as `lead`."""
        today = timezone.now().date()
        fields = {"team": self.team.pk, "deputy": self.people[to].pk, "since": today, "until": today}
        return self.client(lead).post("/deputies/", {**fields, **changes})

    def get_mail(self) -> None:
        """Give everyone an address."""
        for role, user in self.people.items():
            user.email = f"{role}@example.test"
            user.save()

    def let_break_glass(self, role: str = "engineer") -> None:
        TeamMembership.objects.filter(user=self.people[role]).update(may_break_glass=True)

    def lead_too(self, role: str, team: Team | None = None) -> None:
        """Make `role` a lead of Payments, or of `team`, besides whatever they are."""
        self.people[role].groups.add(Group.objects.get(name=access.TEAM_LEADS))
        values = {"team": team or self.team, "user": self.people[role]}
        TeamMembership.objects.update_or_create(**values, defaults={"is_lead": True})

    def approved(self, role: str = "engineer", by: str = "lead", **changes: Any) -> KeyRequest:
        """Return a request that was sent by `role` and approved, without the page that `decide` opens for it."""
        key_request = self.ask(role, **changes)
        approver = Actor.of(self.user(by), "127.0.0.1")
        approve(request_id=key_request.pk, digest=key_request.content_digest, actor=approver)
        key_request.refresh_from_db()
        assert key_request.state == "approved"
        return key_request

    def issue(self, key_request: KeyRequest, role: str = "engineer", **options: Any) -> Any:
        return self.client(role).post(f"/requests/{key_request.pk}/issue/", **options)

    def issued(self, **changes: Any) -> tuple[KeyRequest, str]:
        """Return a request with a live key, and the secret its page showed."""
        key_request = self.approved(**changes)
        answer = self.issue(key_request)
        assert answer.status_code == 200, answer.content.decode()
        key_request.refresh_from_db()
        return key_request, secret_in(answer)


def secret_in(answer: Any) -> str:
    """Return the secret an answer shows; empty if it shows none."""
    match = re.search(r'<code id="key-secret"[^>]*>([^<]*)</code>', answer.content.decode())
    return unescape(match.group(1)) if match else ""


def tamper(key_request: KeyRequest, **values: Any) -> None:
    """Change what was asked for behind the portal's back, as somebody who owns the database could."""
    with connection.cursor() as cursor:
        on_table = " ON keys_app_keyrequest" if connection.vendor == "postgresql" else ""
        cursor.execute(f"DROP TRIGGER request_fixed{on_table}")
    KeyRequest.objects.filter(pk=key_request.pk).update(**values)


def time_passes(standin: Any, minutes: int = 10) -> None:
    """Let everything begun at Twilio be some minutes older, there and in the portal's records."""
    earlier = F("started_at") - timedelta(minutes=minutes)
    Issuance.objects.update(started_at=earlier)
    Probe.objects.update(started_at=earlier, in_flight_until=F("in_flight_until") - timedelta(minutes=minutes))
    standin.age(60 * minutes)


def text_of(answer: Any) -> str:
    """Return the words of a page, without tags and with single spaces."""
    without_tags = re.sub(r"<[^>]+>", " ", answer.content.decode())
    return " ".join(unescape(without_tags).split())


def _account(sid: str, name: str, user: str, password: str, team: Team) -> Account:
    account = Account.objects.create(
        sid=sid,
        name=name,
        environment="staging",
        credential_user=user,
        credential_ciphertext=encrypt(Secret(password)),
        connected_at=timezone.now(),
    )
    account.teams.add(team)
    return account


def _people(roles: dict[str, tuple[str | None, Team | None, bool]]) -> dict[str, User]:
    """Create everyone in a few statements: each test does so."""
    admin = {"is_superuser": True, "is_staff": True}
    users = User.objects.bulk_create(
        User(username=role, first_name=role.capitalize(), last_name="Person", **admin if role == "admin" else {})
        for role in roles
    )
    groups = {group.name: group for group in Group.objects.all()}
    of_user = list(zip(users, roles.values(), strict=True))
    Membership = User.groups.through
    Membership.objects.bulk_create(Membership(user=user, group=groups[name]) for user, (name, _, _) in of_user if name)
    TeamMembership.objects.bulk_create(
        TeamMembership(team=team, user=user, is_lead=is_lead) for user, (_, team, is_lead) in of_user if team
    )
    return {user.username: user for user in users}


def person(login: str, group: str | None, team: Team | None, *, is_lead: bool = False) -> User:
    """Create one more person."""
    return _people({login: (group, team, is_lead)})[login]


def assemble(standin: Any) -> Cast:
    """Create the cast. Payments' account is the stand-in's, Support's is one nobody answers for."""
    Group.objects.bulk_create(
        [Group(name=name) for name in access.ROLES], ignore_conflicts=True
    )  # a flush has lost them
    payments, support = Team.objects.create(name="Payments"), Team.objects.create(name="Support")
    cast = Cast(
        account=_account(standin.account_sid, "Shop", standin.api_key, standin.api_secret, payments),
        other_account=_account(OTHER_ACCOUNT, "Helpdesk", "SK" + "0" * 32, "nothing", support),
        team=payments,
        other_team=support,
    )
    roles = {
        "engineer": (access.ENGINEERS, payments, False),
        "colleague": (access.ENGINEERS, payments, False),
        "lead": (access.TEAM_LEADS, payments, True),
        "colead": (access.TEAM_LEADS, payments, True),
        "engineer2": (access.ENGINEERS, support, False),
        "lead2": (access.TEAM_LEADS, support, True),
        "security": (access.SECURITY, None, False),
        "security2": (access.SECURITY, None, False),
        "admin": (None, None, False),
        "stranger": (None, None, False),
    }
    cast.people = _people(roles)
    return cast
