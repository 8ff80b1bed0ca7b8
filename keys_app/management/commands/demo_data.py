import os
from typing import Any

from django.contrib.auth.models import Group, User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from keys_app.connections.connect import CredentialCheck, connect_account
from keys_app.core.actor import Actor
from keys_app.core.errors import PortalError
from keys_app.core.present import present
from keys_app.core.secret import Secret
from keys_app.key_requests import decide, submit
from keys_app.key_requests.models import KeyRequest
from keys_app.key_requests.states import RequestState
from keys_app.keys import confirm, issue
from keys_app.organisation import access
from keys_app.organisation.models import Account, Team, TeamMembership
from keys_app.permissions.policy import Policy
from keys_app.users.admin_events import record_admin_change
from keys_app.users.models import LimitedUse

# user name: full name, groups, team, leads it
PEOPLE = {
    "engineer": ("Erin Engineer", [access.ENGINEERS], "Payments", False),
    "engineer2": ("Ezra Engineer", [access.ENGINEERS], "Support", False),
    "lead": ("Lena Lead", [access.TEAM_LEADS], "Payments", True),
    "lead2": ("Luis Lead", [access.TEAM_LEADS], "Support", True),
    "security": ("Sam Security", [access.SECURITY], None, False),
    "admin": ("Ada Admin", [], None, False),
}

# requester, decided by, how it ended, name, purpose, lifetime in days, permissions
HISTORY = [
    (
        "engineer",
        "lead",
        "issued",
        "billing-report",
        "Monthly report of what we spend on messages.",
        90,
        ["/twilio/billing/usage/read"],
    ),
    (
        "engineer",
        "lead",
        "rejected",
        "all-messages",
        "Look around in the message log.",
        365,
        ["/twilio/messaging/messages/*"],
    ),
    (
        "engineer",
        None,
        "pending",
        "delivery-check",
        "Send order confirmations and see whether they arrived.",
        90,
        [
            "/twilio/messaging/messages/create",
            "/twilio/messaging/messages/read",
            "/twilio/messaging/messages/list",
        ],
    ),
    (
        "engineer2",
        None,
        "pending",
        "call-quality",
        "Watch the quality of support calls.",
        30,
        ["/twilio/voice/insights.call.metrics/list", "/twilio/voice/insights.call.summaries/list"],
    ),
]


class Command(BaseCommand):
    """Sample people and a small history, made as everything else is."""

    help = "Add the demo people (password from PORTAL_DEMO_PASSWORD), teams and a Twilio account from the environment."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--history", action="store_true", help="make sample requests and a key as well")

    def handle(self, *args: Any, **options: Any) -> None:
        password = os.environ.get("PORTAL_DEMO_PASSWORD")
        if not password:
            raise CommandError("Set PORTAL_DEMO_PASSWORD.")
        people = {name: self._person(name, password) for name in PEOPLE}
        self._connect(options["history"])
        if options["history"]:
            began = timezone.now()
            for sample in HISTORY:
                self._play(people, *sample)
            LimitedUse.objects.filter(at__gte=began).delete()  # the samples are none of what their users may do

    @transaction.atomic
    def _person(self, name: str, password: str) -> User:
        full_name, groups, team_name, leads = PEOPLE[name]
        first, last = full_name.split()
        user, new = User.objects.get_or_create(username=name, defaults={"first_name": first, "last_name": last})
        user.email = user.email or f"{name}@example.test"
        if not user.check_password(password):
            user.set_password(password)
        if new:
            user.is_superuser = user.is_staff = name == "admin"
            user.groups.set(Group.objects.filter(name__in=groups))
            if team_name:
                team, _ = Team.objects.get_or_create(name=team_name)
                TeamMembership.objects.create(team=team, user=user, is_lead=leads)
        user.save(update_fields=["email", "password", *(["is_superuser", "is_staff"] if new else [])])
        if new:
            record_admin_change(actor=Actor.system("demo"), what="created", subject=user, changes=[])
        return user

    def _connect(self, both_teams: bool) -> None:
        """Connect the account of the environment, unless it already has this credential's user.

        By listing alone and shared with other portals: it may be a real account, on which a demo makes nothing.
        """
        sid, username = os.environ["TWILIO_ACCOUNT_SID"], os.environ["TWILIO_API_KEY"]
        if Account.objects.filter(pk=sid, credential_user=username).exists():
            return
        teams = ["Payments", "Support"] if both_teams else ["Payments"]
        try:
            connect_account(
                sid=sid,
                name="Demo account",
                environment=Account.Environment.DEVELOPMENT,
                username=username,
                password=Secret(os.environ["TWILIO_API_SECRET"]),
                teams=list(Team.objects.filter(name__in=teams)),
                check=CredentialCheck.LISTING,
                shared=True,
                actor=Actor.system("demo"),
            )
        except PortalError as error:
            raise CommandError(error.message) from None

    def _play(  # noqa: PLR0917 a row of the samples
        self, people: dict[str, User], asks: str, decides: str | None, end: str, name: str, purpose: str, days: int,
        permissions: list[str],
    ) -> None:  # fmt: skip
        """Bring one sample request to its end, from wherever an earlier start that was killed left it."""
        requester = Actor.of(people[asks])
        key_request = KeyRequest.objects.filter(friendly_name=name, requester=people[asks]).first()
        if key_request is None:
            key_request = submit.create_request(
                actor=requester,
                account=Account.objects.get(pk=os.environ["TWILIO_ACCOUNT_SID"]),
                team=people[asks].portal_teams.get(),
                friendly_name=name,
                purpose=purpose,
                ticket_url="",
                lifetime_days=days,
                policy=Policy.parse(permissions),
            )
        approver = Actor.of(people[decides]) if decides else None
        if end == "rejected" and key_request.state == RequestState.PENDING:
            reason = "Too much: this key could delete messages. Ask for read and list."
            decide.reject(request_id=key_request.pk, reason=reason, actor=present(approver))
        if end == "issued":
            self._issue(key_request, present(approver), requester)

    def _issue(self, key_request: KeyRequest, approver: Actor, requester: Actor) -> None:
        if key_request.state == RequestState.PENDING:
            decide.approve(request_id=key_request.pk, digest=key_request.content_digest, actor=approver)
            key_request.refresh_from_db()
        if key_request.state == RequestState.APPROVED:
            issued = issue.issue_key(key_request=key_request, actor=requester)  # its secret is dropped
            confirm.confirm_key(key=issued.key, actor=requester)
