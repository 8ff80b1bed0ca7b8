"""A portal in which there is a key of every kind: who is there, and what they and Twilio do.

Everything is done as people do it, through pages, and at the simulator of Twilio. Only what time alone makes is
written into rows, by `later`.
"""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.test import Client
from django.utils import timezone

from keys_app.key_requests.models import KeyRequest
from keys_app.keys.models import ApiKey
from keys_app.permissions.policy import Policy
from keys_app.reconcile.models import UnmanagedKey
from keys_app.reconcile.run import reconcile
from tests.cast import Cast, person, secret_in
from tests.forms import send_shown
from tests.twilio_iam.simulator import StandIn

SIGNING_SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass
class Made:
    """What a kind is: a request, a key, an entry of the inventory, or some of these."""

    request: KeyRequest | None = None
    key: ApiKey | None = None
    unmanaged: UnmanagedKey | None = None


@dataclass
class World:
    """`kinds` has what was made, by name; `secrets` every secret that was shown; `clients` a browser for each role."""

    cast: Cast
    twilio: StandIn
    kinds: dict[str, Made] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)
    clients: dict[str, Client] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Add who the cast lacks: a deputy of `lead`, two who may break glass, and three who are to go."""
        for name in ("deputy", "breaker", "breaker2", "leaver", "goner", "heir"):
            self.cast.people[name] = person(name, "Engineers", self.cast.team)
        for role, user in self.cast.people.items():
            user.email = f"{role}@example.test"
            user.save()
        self.clients = {role: self.cast.client(role) for role in self.cast.people}
        self.cast.client = self.clients.__getitem__  # type: ignore[method-assign] nobody signs in again and again
        assert self.cast.delegate("lead", "deputy").status_code == 302
        self.in_the_team(breaker={"may_break_glass": "on"}, breaker2={"may_break_glass": "on"})
        self.save_in_admin(f"keys_app/account/{self.cast.other_account.pk}/change/", max_lifetime_days="90")
        self.post("admin", "/admin/keys_app/webhook/add/", expected=302, **self._webhook("everything", "generic"))
        self.post("admin", "/admin/keys_app/webhook/add/", expected=302, **self._webhook("chat", "slack"))
        chosen = self._webhook("chosen", "generic", team=self.cast.team.pk, event_kinds="request\nalarm")
        self.post("admin", "/admin/keys_app/webhook/add/", expected=302, **chosen)

    def _webhook(self, name: str, kind: str, **values: object) -> dict[str, object]:
        form = {"name": name, "kind": kind, "url": "https://example.org/hook", "is_active": "on"}
        return {**form, "signing_secret": SIGNING_SECRET if kind == "generic" else "", **values}

    def post(self, role: str, url: str, /, *, expected: int | None = None, **fields: object) -> Any:
        """Post to a page as `role`."""
        answer = self.clients[role].post(url, fields)
        assert expected in (None, answer.status_code), answer.content.decode()
        return answer

    def save_in_admin(self, url: str, **changes: object) -> None:
        """Save a page of the admin as the portal admin, with `changes`."""
        answer = send_shown(self.clients["admin"], f"/admin/{url}", **changes)
        assert answer.status_code == 302, answer.content.decode()

    def in_the_team(self, **rows: dict[str, object]) -> None:
        """Change memberships of Payments on the team's page: for a user name, the fields of its row."""
        members = list(self.cast.team.memberships.order_by("pk").values_list("user__username", flat=True))
        changes = {
            f"memberships-{members.index(login)}-{name}": value
            for login, fields in rows.items()
            for name, value in fields.items()
        }
        self.save_in_admin(f"keys_app/team/{self.cast.team.pk}/change/", **changes)

    def account_wants(self, leads: int) -> None:
        self.save_in_admin(f"keys_app/account/{self.cast.account.pk}/change/", leads_required=str(leads))

    # A key's way

    def asked(self, name: str, role: str = "engineer", **changes: Any) -> Made:
        """Send a request on the form, as `role`."""
        return Made(self.cast.ask(role, friendly_name=name, **{"lifetime_days": "60", **changes}))

    def decide(self, made: Made, *roles: str, decision: str = "approve", **fields: Any) -> Made:
        for role in roles:
            answer = self.cast.decide(role, made.request, decision, **fields)
            assert answer.status_code == 302, answer.content.decode()
        made.request.refresh_from_db()
        return made

    def issue(self, made: Made, role: str = "engineer") -> Made:
        """Press “Issue key”, and keep the secret it showed for the end, when it must be nowhere."""
        answer = self.post(role, f"/requests/{made.request.pk}/issue/", expected=200)
        self.secrets.append(secret_in(answer))
        made.request.refresh_from_db()
        made.key = made.request.keys.first()
        return made

    def issued(self, name: str, role: str = "engineer", *, by: tuple[str, ...] = ("lead",), **changes: Any) -> Made:
        return self.issue(self.decide(self.asked(name, role, **changes), *by), role)

    def press(self, made: Made, action: str, role: str = "engineer", *, expected: int = 302, **fields: object) -> Made:
        """Press a button of the key's page."""
        answer = self.post(role, f"/keys/{made.key.sid}/{action}/", expected=expected, **fields)
        self.secrets += filter(None, [secret_in(answer)])
        made.key.refresh_from_db()
        return made

    def rotated(self, made: Made, hours: int) -> Made:
        """Rotate a key and return its successor."""
        self.press(made, "rotate", expected=200, overlap_hours=hours)
        return Made(made.request, made.request.keys.get(issuance__rotates=made.key))

    def feed(self, name: str) -> str:
        """Make a token for a system that follows the audit, as Security, and return it."""
        answer = self.post("security", "/audit/feeds/", name=name, expected=200)
        return answer.context["secret"].reveal()

    # At Twilio, without the portal

    def made_by_hand(self, name: str, permissions: list[str], *, standard: bool = False) -> str:
        """Make a key at Twilio; a Standard one has no policy."""
        if standard:
            self.twilio.fault("null_policy")
        with self.twilio.client() as client:
            key = client.create_restricted_key(
                account_sid=self.twilio.account_sid, friendly_name=name, policy=Policy.of(permissions)
            )
        return key.sid

    def changed_by_hand(self, key: ApiKey, **changes: Any) -> None:
        with self.twilio.client() as client:
            client.update_key(key.sid, **changes)

    def deleted_by_hand(self, sid: str) -> None:
        with self.twilio.client() as client:
            client.delete_key(sid)

    def adopted(self, sid: str, **changes: object) -> Made:
        """Adopt a key that the reconciler has found, as its team's lead."""
        fields = {"team": self.cast.team.pk, "owner": self.cast.people["engineer"].pk, "lifetime_days": "30"}
        self.post("lead", f"/keys/unmanaged/{sid}/adopt/", expected=302, **{**fields, **changes})
        return Made(key=ApiKey.objects.get(pk=sid), unmanaged=UnmanagedKey.objects.get(pk=sid))

    def reconcile(self) -> None:
        reconcile(wait=lambda _: None)


def later(row: Any, **times: Any) -> None:
    """Move the times of a row, as if it had been some while ago: nothing else is written past the portal."""
    type(row).objects.filter(pk=row.pk).update(**times)
    row.refresh_from_db()


def ago(span: timedelta) -> Any:
    return timezone.now() - span


@contextmanager
def killed() -> Iterator[None]:
    """Let a process end in the middle, as a signal that cannot be caught does."""
    try:
        yield
    except KeyboardInterrupt:
        return
    raise AssertionError("it was not killed")
