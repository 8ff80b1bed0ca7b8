"""A large ledger for measuring, written past the portal's services but with what they would have written."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from keys_app.audit import triggers
from keys_app.audit.merkle.tree import Frontier, leaf_hash
from keys_app.audit.search.tokens import terms_of
from keys_app.permissions.catalogue import catalogue
from keys_app.permissions.policy import Policy
from keys_app.permissions.risk import policy_risk

ACTIONS = (
    "request.created", "request.approved", "key.issue_started", "key.issued", "key.confirmed", "key.revoke_started",
    "key.revoked", "request.rejected", "audit.exported", "user.changed",
)  # fmt: skip
WEIGHTS = (20, 18, 15, 14, 12, 7, 7, 4, 2, 1)
TEXT = (
    "monthly report of what we spend on messages delivery check nightly job support calls quality refund reminder "
    "code verify login numbers porting campaign survey backup test staging migration deploy alert order confirmation"
)
WORDS = TEXT.split()
FIRST = datetime(2023, 1, 1, tzinfo=UTC)
AT_ONCE = 5_000
EVENTS = (
    "sequence", "time", "action", "actor_id", "actor_name", "address", "account_sid", "key_sid", "request_id", "team",
    "risk", "policy", "reason", "canonical", "leaf_hash",
)  # fmt: skip


def events(count: int) -> Iterator[dict[str, Any]]:
    """Return events as the ledger would hash them: 400 people, 40 teams, 25 accounts, three years of them."""
    draw = random.Random(6962)
    names = [permission.name for permission in catalogue()]
    policies = [Policy.of(draw.sample(names, draw.choice((1, 2, 3, 5, 8)))) for _ in range(600)]
    known = [(policy.to_json(), str(policy_risk(policy))) for policy in policies]
    step = timedelta(days=3 * 365) / count
    for number in range(1, count + 1):
        person, about = draw.randrange(400), draw.randrange(max(1, count // 6))
        action = draw.choices(ACTIONS, WEIGHTS)[0]
        policy, risk = known[about % 600] if action[:3] in ("key", "req") else ("", "")
        yield {
            "action": action,
            "actor_name": f"Person{person} Name{person % 60}",
            "actor_id": str(person),
            "login": f"person{person}",
            "address": f"10.{person % 8}.{person % 40}.{person % 250}",
            "account_sid": f"AC{about % 25:032x}",
            "key_sid": f"SK{about:032x}" if action.startswith("key") else "",
            "request_id": f"00000000-0000-4000-8000-{about:012x}" if policy else "",
            "team": f"Team {about % 40}" if policy else "",
            "risk": risk,
            "policy": policy,
            "reason": " ".join(draw.choices(WORDS, k=6)) if number % 3 else "",
            "details": {"marker": f"{draw.randrange(36**6):06d}", "attempt": 1},
            "sequence": number,
            "time": (FIRST + number * step).isoformat(timespec="microseconds"),
        }


def fill(connection: Any, count: int) -> None:
    """Write the events, what they are found by, and the tree, as a bulk load: indexes and triggers come last."""
    write = {"sqlite": _Sqlite, "postgresql": _Postgresql}[connection.vendor](connection)
    taken_off = triggers.drop(connection)
    tree, rows, terms, nodes = Frontier(), [], [], []
    for event in events(count):
        # The same bytes as RFC 8785 for these events: no numbers but small ones, no text outside ASCII.
        canonical = json.dumps(event, sort_keys=True, separators=(",", ":"))
        leaf = leaf_hash(canonical.encode())
        stored = {**event, "canonical": canonical, "leaf_hash": leaf}
        stored["time"] = write.time(event["time"])
        rows.append(tuple(stored[name] for name in EVENTS))
        terms += [(term, event["sequence"]) for term in terms_of(event)]
        nodes += [(level, place, value) for (level, place), value in tree.add(leaf)]
        if len(rows) == AT_ONCE or event["sequence"] == count:
            write.rows("audit_auditevent", EVENTS, rows)
            write.rows(write.terms, ("term", "sequence"), terms)
            write.rows("audit_node", ("level", "position", "hash"), nodes)
            rows, terms, nodes = [], [], []
    write.finish()
    triggers.create(connection, taken_off)


class _Sqlite:
    terms = "loading"

    def __init__(self, connection: Any) -> None:
        connection.ensure_connection()
        self.connection = connection.connection
        self.connection.execute("PRAGMA synchronous=OFF")
        self.connection.execute("PRAGMA cache_size=-400000")
        self.connection.execute("CREATE TABLE loading (term varchar(180), sequence bigint)")

    def time(self, text: str) -> str:
        return text[:26].replace("T", " ")

    def rows(self, table: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
        marks = ",".join("?" * len(columns))
        self.connection.execute("BEGIN")  # Django's connections commit each statement by itself
        self.connection.executemany(f"INSERT INTO {table} ({','.join(columns)}) VALUES ({marks})", rows)
        self.connection.execute("COMMIT")

    def finish(self) -> None:
        self.connection.execute("INSERT INTO audit_eventterm SELECT term, sequence FROM loading ORDER BY 1, 2")
        self.connection.execute("DROP TABLE loading")
        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


class _Postgresql:
    terms = "audit_eventterm"

    def __init__(self, connection: Any) -> None:
        connection.ensure_connection()
        self.connection = connection.connection
        self.key = next(name for name, one in self._constraints(connection).items() if one["primary_key"])
        self.connection.execute(f"ALTER TABLE audit_eventterm DROP CONSTRAINT {self.key}")

    def _constraints(self, connection: Any) -> dict[str, Any]:
        with connection.cursor() as cursor:
            return connection.introspection.get_constraints(cursor, "audit_eventterm")

    def time(self, text: str) -> str:
        return text

    def rows(self, table: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
        with self.connection.cursor() as cursor, cursor.copy(f"COPY {table} ({','.join(columns)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)

    def finish(self) -> None:
        self.connection.execute(f"ALTER TABLE audit_eventterm ADD CONSTRAINT {self.key} PRIMARY KEY (term, sequence)")
        self.connection.execute("VACUUM ANALYZE audit_auditevent, audit_eventterm, audit_node")
