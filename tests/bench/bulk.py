"""The records of a portal that was in use for three years, in bulk: `fill` adds as many requests as are asked for.

Nothing is in the ledger, which has a measurement of its own. What is written passes every rule of the database, but
past the services and triggers, which would take hours. Shares are those of a portal in use: nearly everything was
decided long ago and most keys have expired; `Shares` says how much of it waits.
"""

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from keys_app.key_requests.content_digest import content_digest
from keys_app.key_requests.decision_models import Approval, Comment, Narrowing
from keys_app.key_requests.models import Issuance, KeyRequest
from keys_app.keys.models import ApiKey
from keys_app.notifications.models import NoticeRecipient, Trouble
from keys_app.organisation.models import Delegation, Team
from keys_app.permissions.catalogue import catalogue
from keys_app.permissions.policy import Policy
from keys_app.permissions.risk import policy_risk
from keys_app.reconcile.models import ReconcileRun, UnmanagedKey
from keys_app.reports.models import AccessReview, ReviewedKey

from .company import YEARS, Company, found, grow
from .table import Table, triggers_off

DAY = timedelta(days=1)
WORDS = ("usage", "report", "delivery", "check", "nightly", "job", "support", "calls", "refund", "reminder", "codes")
AFTERWARDS = ("issued", "rejected", "cancelled", "lapsed")
SHARE_OF_EACH = (82, 8, 5, 5)


@dataclass(frozen=True, slots=True)
class Shares:
    """How much of all requests waits: is pending, or approved; and how many are of the lead's team, of the engineer.

    Without `live` all keys are revoked, all reviews done and each key at Twilio is known: there is but the past.
    """

    waiting: float = 0.0025
    live: bool = True
    of_the_team: float = 0.1
    of_the_engineer: float = 0.01


USUAL = Shares()


def fill(requests: int, company: Company | None = None, shares: Shares = USUAL, *, hire: bool = True) -> Company:
    """Add so many requests with what came of them, and with `hire` people in proportion; return who works there now.

    Takes a minute or two for 200,000.
    """
    company = company or found()
    with triggers_off():
        if hire:
            grow(company, requests)
        _Years(company, requests, shares).write()
    if connection.vendor == "postgresql":  # where autovacuum does it; no one does in the portal's SQLite
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    return company


class _Years:
    """Three years of requests, and what became of each."""

    def __init__(self, company: Company, requests: int, shares: Shares) -> None:
        self.company, self.shares, self.number = company, shares, requests
        self.draw, self.now = random.Random(requests), timezone.now()
        self.requests, self.approvals, self.narrowings = Table(KeyRequest), Table(Approval), Table(Narrowing)
        self.comments, self.issuances, self.keys = Table(Comment), Table(Issuance), Table(ApiKey)
        self.reviewed, self.unmanaged, self.recipients = Table(ReviewedKey), Table(UnmanagedKey), Table(NoticeRecipient)
        self.troubles, self.delegations = Table(Trouble), Table(Delegation)
        names = [permission.name for permission in catalogue()]
        policies = [Policy.of(self.draw.sample(names, self.draw.choice((1, 2, 3, 5)))) for _ in range(300)]
        self.policies = [(policy, policy.to_json(), str(policy_risk(policy))) for policy in policies]
        self.sid = ApiKey.objects.count()
        self.reviews = list(_reviews(company.security, self.now))

    def write(self) -> None:
        """Make all rows and write them, what others refer to first."""
        for place in range(self.number):
            self._request(place)
        for number in range(self.number // 100):
            self._unmanaged(number)
        for number in range(self.number // 200):
            self._trouble(number)
        for team in self.company.teams:
            self._deputy(team)
        for table in (
            *(self.requests, self.approvals, self.narrowings, self.comments, self.issuances, self.keys),
            *(self.reviewed, self.unmanaged, self.recipients, self.troubles, self.delegations),
        ):
            table.write()
        if not ReconcileRun.objects.exists():
            run = {"started_at": self.now, "finished_at": self.now}
            ReconcileRun.objects.bulk_create(ReconcileRun(**run, found_something=n % 9 == 0) for n in range(200))

    def _who(self) -> tuple[Team, User]:
        """Draw a team, and who asks."""
        company, part = self.company, self.draw.random()
        if part < self.shares.of_the_engineer:
            return company.teams[0], company.engineer
        if part < self.shares.of_the_team:
            return company.teams[0], self.draw.choice(company.leads[company.teams[0].pk])
        team = self.draw.choice(company.teams[1:])
        return team, self.draw.choice(company.members[team.pk])

    def _request(self, place: int) -> None:
        draw, (team, requester) = self.draw, self._who()
        part = draw.random()
        waits, glass = part < self.shares.waiting, part > 1 - self.shares.waiting / 5
        state = draw.choice(("pending",) * 4 + ("approved",)) if waits else draw.choices(AFTERWARDS, SHARE_OF_EACH)[0]
        created = self.now - YEARS * (1 - place / self.number)
        if waits or (state == "lapsed" and place % 50 == 0):
            created = self.now - draw.random() * 12 * DAY
        policy, policy_json, risk = draw.choice(self.policies)
        incident = glass or (state == "issued" and risk != "critical" and draw.random() < 0.01)
        if glass:
            state, (policy, policy_json, risk) = "issued", next(one for one in self.policies if one[2] != "critical")
        days = 1 if incident else draw.choices((30, 90, 365), (50, 35, 15))[0]
        account = draw.choice(self.company.accounts[team.pk])
        name = f"{draw.choice(WORDS)}-{draw.choice(WORDS)}-{place}"
        content = {"account_sid": account.pk, "friendly_name": name, "lifetime_days": days, "policy": policy}
        decided = created + draw.random() * DAY
        granted = state in ("approved", "issued")
        row = {
            "id": uuid.UUID(int=draw.getrandbits(128), version=4),
            "requester_id": requester.pk,
            "team_id": team.pk,
            "account_id": account.pk,
            "friendly_name": name,
            "purpose": " ".join(draw.choices(WORDS, k=8)),
            "ticket_url": f"https://tickets.example/{place}" if place % 3 else "",
            "lifetime_days": days,
            "policy_json": policy_json,
            "content_digest": content_digest(**content) if waits else f"{place:064x}",
            "risk": risk,
            "incident": f"INC-{place}" if incident else "",
            "state": state,
            "created_at": created,
            "approved_at": decided if granted else None,
            "claim_until": self.now + 2 * DAY if state == "approved" else None,
        }
        self.requests.add(**row)
        self._decisions(row, team, requester, decided, unreviewed=glass)
        self._said(row, team, waits)
        if state == "issued":
            self._key(row, decided, rotates=place % 8 == 0)

    def _decisions(self, row: Any, team: Team, requester: User, at: datetime, *, unreviewed: bool) -> None:
        lead = self.draw.choice([lead for lead in self.company.leads[team.pk] if lead is not requester])
        given = {"request_id": row["id"], "content_digest": row["content_digest"], "created_at": at}
        place, critical = len(self.requests.rows), row["risk"] == "critical"

        def decide(user: User, decision: str, stage: int = 1, capacity: str = "lead", **more: Any) -> None:
            by = {"approver_id": user.pk, "authority_id": user.pk, "decision": decision, "capacity": capacity}
            self.approvals.add(**given, **by, stage=stage, **more)

        match "glass" if row["incident"] else row["state"]:
            case "glass" if not unreviewed:
                decide(lead, "reviewed", reason="The log says the same.")
            case "approved" | "issued" if row["risk"] == "low" and place % 10 == 0:
                by = {"capacity": "rule", "rule_name": f"Rule {place % 7}", "decision": "approved", "stage": 1}
                self.approvals.add(**given, **by)
            case "approved" | "issued":
                decide(lead, "approved", reason=" ".join(self.draw.choices(WORDS, k=place % 5)))
            case "rejected":
                decide(lead, "rejected", reason="Ask for less.")
            case "pending" if critical and place % 2:
                decide(lead, "approved")
        self._more(row, lead, at, decide)

    def _more(self, row: Any, lead: User, at: datetime, decide: Any) -> None:
        place = len(self.requests.rows)
        if row["risk"] == "critical" and row["state"] in ("approved", "issued"):
            decide(self.company.security, "approved", 2, "security")
        if place % 500 == 0:
            void = {"void_at": at, "void_by_id": lead.pk, "void_reason": "It is the wrong account."}
            decide(lead, "approved", **void)
        if place % 50 == 0:
            self._narrow(row, lead, at)

    def _narrow(self, row: Any, lead: User, at: datetime) -> None:
        policies = {"from_policy_json": row["policy_json"], "to_policy_json": row["policy_json"]}
        times = {"from_lifetime_days": row["lifetime_days"], "to_lifetime_days": row["lifetime_days"]}
        digests = {"from_digest": "0" * 64, "to_digest": row["content_digest"]}
        about = {"request_id": row["id"], "approver_id": lead.pk, "reason": "Less is enough.", "created_at": at}
        self.narrowings.add(**policies, **times, **digests, **about)

    def _said(self, row: Any, team: Team, waits: bool) -> None:
        asked = self.draw.random()
        if asked < 0.2:
            said = {"request_id": row["id"], "text": "Which system is it for?", "created_at": row["created_at"]}
            self.comments.add(**said, author_id=self.company.leads[team.pk][-1].pk)
            if asked < 0.1:
                self.comments.add(**said, author_id=row["requester_id"])
        if waits or self.now - row["created_at"] < 90 * DAY:
            for lead in self.company.leads[team.pk]:
                told = {"about": f"request:{row['id']}", "kind": "request.created", "how": "daily"}
                self.recipients.add(**told, user_id=lead.pk, at=row["created_at"])

    def _key(self, row: Any, at: datetime, *, rotates: bool) -> None:
        old = self._issued(row, 1, at, retires_at=at + DAY) if rotates else ""
        self._issued(row, 2 if rotates else 1, at + DAY / 2 if rotates else at, old)

    def _issued(self, row: Any, number: int, at: datetime, rotates: str = "", retires_at: Any = None) -> str:
        draw, self.sid = self.draw, self.sid + 1
        sid, marker, expires = f"SK{self.sid:032x}", f"{self.sid:012X}", at + row["lifetime_days"] * DAY
        early = expires if draw.random() < 0.8 else at + draw.random() * (expires - at)
        ended = min(early, retires_at or early, at + self._kept_by(row["requester_id"]))
        ended = ended if self.shares.live else min(ended, self.now - timedelta(minutes=1))
        live = ended > self.now
        times = {"started_at": at, "finished_at": at}
        rotation = {"rotates_id": rotates or None, "overlap_hours": 24 if rotates else None}
        attempt = {"request_id": row["id"], "number": number, "marker": marker, "state": "issued", "key_sid": sid}
        issuance = self.issuances.add(**attempt, **times, **rotation, incarnation="0" * 32)
        self.keys.add(
            sid=sid,
            request_id=row["id"],
            issuance_id=issuance,
            account_id=row["account_id"],
            team_id=row["team_id"],
            owner_id=row["requester_id"],
            friendly_name=f"{row['friendly_name']} [kp:{marker}]",
            policy_json=row["policy_json"],
            state="active" if live else "revoked",
            issued_at=at,
            expires_at=expires,
            retires_at=retires_at,
            confirmed_at=None if live and draw.random() < 0.02 else at,
            revoked_at=None if live else ended,
            revoke_reason="" if live else "Its lifetime is over.",
            drift_json='{"name": "other"}' if live and draw.random() < 0.01 else "",
            checked_at=self.now,
        )
        for review, opened in self.reviews:
            if at < opened < ended and (self.shares.live or review.closed_at):
                self._reviewed(review, sid, row["team_id"], opened)
        return sid

    def _kept_by(self, owner: int) -> timedelta:
        """Return how long a key lives at most: of who left, most are revoked soon."""
        return YEARS if owner % 30 or self.draw.random() < 0.3 else DAY

    def _reviewed(self, review: AccessReview, sid: str, team: int, opened: datetime) -> None:
        decided = review.closed_at or self.draw.random() < 0.6
        by = {"decision": "kept", "decided_at": opened + DAY, "decided_by_id": self.company.security.pk}
        self.reviewed.add(review_id=review.pk, key_id=sid, team_id=team, **(by if decided else {}))

    def _unmanaged(self, number: int) -> None:
        seen, kind = self.now - YEARS * self.draw.random(), number % (10 if self.shares.live else 7)
        team = self.company.teams[number % len(self.company.teams) if number % 3 else 0]
        account = self.draw.choice(self.company.accounts[team.pk])
        self.unmanaged.add(
            sid=f"SKf{self.sid:015x}{number:016x}",
            account_id=account.pk,
            friendly_name=f"{self.draw.choice(WORDS)}-{number}",
            created_at=seen - DAY if number % 4 else None,
            first_seen=seen,
            last_seen=self.now,
            policy_json=self.draw.choice(self.policies)[1],
            checked_at=seen,
            gone_at=self.now if kind < 4 else None,
            adopted_at=self.now if 4 <= kind < 7 else None,
            proposed_team_id=team.pk if kind == 7 else None,
            weighed={"fits": [], "fails": []} if kind == 8 and number % 3 == 0 else None,
        )

    def _trouble(self, number: int) -> None:
        since, is_open = self.now - YEARS * self.draw.random(), self.shares.live and number % 20 == 0
        about = {"key": f"stuck:{self.sid}-{number}", "kind": "stuck", "title": "A key is stuck", "words": "It waits."}
        account = self.draw.choice(self.company.accounts[self.company.teams[number % len(self.company.teams)].pk])
        times = {"since": since, "told_at": since, "ended_at": None if is_open else since + DAY}
        self.troubles.add(**about, **times, path="/reconciliation/", account_id=account.pk)

    def _deputy(self, team: Team) -> None:
        lead, deputy = self.company.leads[team.pk]
        for number in range(not self.shares.live, 6):
            begins = self.now - (30 * number + 1) * DAY
            times = {"starts_at": begins, "ends_at": begins + 3 * DAY, "created_at": begins}
            self.delegations.add(**times, team_id=team.pk, lead_id=lead.pk, deputy_id=deputy.pk)


def _reviews(security: User, now: datetime) -> Iterator[tuple[AccessReview, datetime]]:
    """Yield a review of each of the last nine quarters; only the last one is open."""
    for number in range(9):
        opened, year = now - (20 + 91 * number) * DAY, 2026 - number // 4
        closed = {"closed_at": opened + 30 * DAY, "closed_by": security} if number else {}
        by = {"opened_by": security, "opened_at": opened, **closed}
        yield AccessReview.objects.get_or_create(quarter=f"{year}-Q{4 - number % 4}", defaults=by)[0], opened
