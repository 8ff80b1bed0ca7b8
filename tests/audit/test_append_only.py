"""The database itself refuses to change the ledger, whatever code or person asks it to."""

import pytest
from django.db import DatabaseError, connection, transaction

from keys_app.audit.ledger import Entry, append, matching

TABLE = "audit_auditevent"
COLUMNS = (
    "sequence, time, action, actor_id, actor_name, address, account_sid, key_sid, request_id, "
    "policy, reason, canonical, leaf_hash"
)


def rows():
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {COLUMNS} FROM {TABLE} ORDER BY sequence")
        return [tuple(bytes(v) if isinstance(v, memoryview) else v for v in row) for row in cursor.fetchall()]


@pytest.fixture
def ledger(db):
    """Three events, and how they look in the database."""
    for number in range(3):
        with transaction.atomic():
            append(Entry("test.event", "somebody", reason=str(number)))
    return rows()


def insert(verb, number):
    """Return a statement that copies the second event under another number."""
    copied = COLUMNS.replace("sequence", str(number), 1)
    return f"{verb} INTO {TABLE} ({COLUMNS}) SELECT {copied} FROM {TABLE} WHERE sequence = 2"


EVERYWHERE = [
    f"UPDATE {TABLE} SET reason = 'other' WHERE sequence = 2",
    f"UPDATE {TABLE} SET sequence = 9 WHERE sequence = 2",
    f"UPDATE {TABLE} SET reason = reason",
    f"DELETE FROM {TABLE} WHERE sequence = 3",
    f"DELETE FROM {TABLE}",
    insert("INSERT", 5),
    insert("INSERT", 0),
    insert("INSERT", -1),
    insert("INSERT", 2),
]
BY_DATABASE = {
    "sqlite": [
        insert("INSERT OR REPLACE", 2),
        insert("REPLACE", 3),
        insert("INSERT OR IGNORE", 9),
        insert("INSERT", "NULL"),
        f"UPDATE OR REPLACE {TABLE} SET sequence = 2 WHERE sequence = 3",
        insert("INSERT", 2) + " ON CONFLICT (sequence) DO UPDATE SET reason = 'other'",
    ],
    "postgresql": [
        f"TRUNCATE {TABLE}",
        f"TRUNCATE {TABLE} RESTART IDENTITY CASCADE",
        insert("INSERT", 2) + " ON CONFLICT (sequence) DO UPDATE SET reason = 'other'",
        f"SET session_replication_role = replica; UPDATE {TABLE} SET reason = 'other'",
        f"SET session_replication_role = replica; TRUNCATE {TABLE}",
        f"WITH gone AS (DELETE FROM {TABLE} RETURNING *) SELECT * FROM gone",
    ],
}


@pytest.mark.parametrize(
    "statement", [*EVERYWHERE, *BY_DATABASE[connection.vendor]], ids=lambda statement: statement[:70]
)
def test_it_refuses(ledger, statement):
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert rows() == ledger


def test_the_next_number_is_accepted(ledger):
    """What is refused above is refused for its number, not for its form."""
    with connection.cursor() as cursor:
        cursor.execute(insert("INSERT", 4))
    assert rows()[:3] == ledger
    assert len(rows()) == 4


@pytest.mark.parametrize(
    "change",
    [
        lambda: matching().update(reason="other"),
        lambda: matching().filter(sequence=3).delete(),
        lambda: matching().first().delete(),
        lambda: matching().first().save(),
    ],
)
def test_the_models_are_refused_too(ledger, change):
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        change()
    assert rows() == ledger


def test_nothing_points_at_the_ledger_or_out_of_it():
    """Without foreign keys nothing cascades."""
    model = matching().model
    assert not [field for field in model._meta.get_fields() if field.is_relation]
