"""What somebody who owns the database can do to the ledger: take its triggers off and write SQL."""

import contextlib

from django.db import connection, transaction

from keys_app.audit import triggers
from keys_app.audit.ledger import Entry, append
from keys_app.audit.merkle import proofs


def fill(count, action="test.event"):
    """Append events, each in a transaction of its own."""
    for number in range(count):
        with transaction.atomic():
            append(Entry(action, "somebody", reason=f"reason {number}", details={"number": number}))


def small_blocks(monkeypatch):
    """Let what proves and exports events go by blocks of eight of them, so that a few are several blocks."""
    for name, value in {"LEVEL": 3, "BLOCK": 8, "WORTH_A_BLOCK": 1}.items():
        monkeypatch.setattr(proofs, name, value)


@contextlib.contextmanager
def unguarded():
    """Take the ledger's triggers off for a while."""
    taken_off = triggers.drop(connection)
    try:
        yield
    finally:
        triggers.create(connection, taken_off)


def sql(statement, *values):
    """Run a statement behind the portal's back."""
    with unguarded(), connection.cursor() as cursor:
        cursor.execute(statement, values)


def set_back(size):
    """Leave the database as one is that was restored from a backup of `size` events; what is outside stays."""
    sql("DELETE FROM audit_auditevent WHERE sequence > %s", size)
    sql("DELETE FROM audit_eventterm WHERE sequence > %s", size)
    sql("DELETE FROM audit_checkpoint WHERE size > %s", size)
    for level in range(1, 20):
        sql("DELETE FROM audit_node WHERE level = %s AND (position + 1) * %s > %s", level, 1 << level, size)
