"""A large ledger, written with bulk inserts: the events a portal would have, with their tree."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import rfc8785
from django.db import connection, transaction

from keys_app.audit import triggers
from keys_app.audit.tree import Frontier, leaf_hash

BATCH = 10_000
ACTIONS = ["request.created", "request.approved", "key.issue_started", "key.issued", "key.confirmed", "key.revoked"]
READ = "/twilio/messaging/messages/read"
POLICIES = ["", '{"allow":["/twilio/billing/usage/read"]}', f'{{"allow":["{READ}","/twilio/messaging/messages/list"]}}']
START = datetime(2024, 1, 1, tzinfo=UTC)
COLUMNS = ["account_sid", "action", "actor_id", "actor_name", "address", "key_sid"]
COLUMNS += ["policy", "reason", "request_id", "sequence"]


def events(count: int) -> Iterator[tuple[dict[str, Any], datetime, str]]:
    """Yield content, time and canonical JSON of `count` events."""
    chance = random.Random(1)
    for number in range(1, count + 1):
        time = START + timedelta(seconds=number * 7, microseconds=number % 1_000_000)
        person = chance.randrange(200)
        content = {
            "account_sid": f"AC{chance.randrange(20):032x}",
            "action": chance.choice(ACTIONS),
            "actor_id": str(person),
            "actor_name": f"Person Number {person}",
            "address": f"192.0.2.{person}",
            "details": {"marker": f"{number:012d}", "attempt": 1},
            "key_sid": f"SK{number // 4:032x}",
            "policy": chance.choice(POLICIES),
            "reason": "Needed for the monthly report." if number % 5 == 0 else "",
            "request_id": f"{number // 6:08x}-0000-4000-8000-000000000000",
            "sequence": number,
            "time": time.isoformat(timespec="microseconds"),
        }
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        if number % 10_000 == 1:
            assert canonical.encode() == rfc8785.dumps(content)
        yield content, time, canonical


def fill(count: int) -> None:
    """Write the events and their nodes into an empty ledger."""
    tree, batch, nodes = Frontier(), [], []
    triggers.drop(connection)
    for content, time, canonical in events(count):
        leaf = leaf_hash(canonical.encode())
        stamp = time if connection.vendor == "postgresql" else str(time.replace(tzinfo=None))
        batch.append((*(content[name] for name in COLUMNS), stamp, canonical, leaf))
        nodes += [(level, position, value) for (level, position), value in tree.add(leaf)]
        if len(batch) == BATCH or content["sequence"] == count:
            _write(batch, nodes)
            batch, nodes = [], []
    triggers.create(connection)


def _write(batch: list[Any], nodes: list[Any]) -> None:
    names = [*COLUMNS, "time", "canonical", "leaf_hash"]
    marks = ", ".join(["%s"] * len(names))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO audit_auditevent ({', '.join(names)}) VALUES ({marks})", batch)
        cursor.executemany("INSERT INTO audit_node (level, position, hash) VALUES (%s, %s, %s)", nodes)
