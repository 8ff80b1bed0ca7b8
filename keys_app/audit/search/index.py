"""Makes the table of terms append-only like the ledger, and enters the events that were there before it."""

import json
from collections.abc import Iterator
from typing import Any

from django.db import connection

from .tokens import terms_of

TABLE = "audit_eventterm"
_EVENTS = "audit_auditevent"
_REFUSAL = "the audit ledger is append-only"
_AT_ONCE = 2000

_TABLE = {
    # Without a rowid, SQLite keeps the rows in the index itself.
    "sqlite": f"""CREATE TABLE {TABLE} (term varchar(180) NOT NULL, sequence bigint NOT NULL,
                  PRIMARY KEY (term, sequence)) WITHOUT ROWID""",
    "postgresql": f"""CREATE TABLE {TABLE} (term varchar(180) COLLATE "C" NOT NULL, sequence bigint NOT NULL,
                      PRIMARY KEY (term, sequence))""",
}
_CREATE = {
    "sqlite": [
        f"CREATE TRIGGER audit_terms_no_update BEFORE UPDATE ON {TABLE} BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END",
        f"CREATE TRIGGER audit_terms_no_delete BEFORE DELETE ON {TABLE} BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END",
    ],
    "postgresql": [
        f"""CREATE TRIGGER audit_terms_no_change BEFORE UPDATE OR DELETE ON {TABLE}
            FOR EACH ROW EXECUTE FUNCTION audit_refuse()""",
        f"""CREATE TRIGGER audit_terms_no_truncate BEFORE TRUNCATE ON {TABLE}
            FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()""",
        f"ALTER TABLE {TABLE} ENABLE ALWAYS TRIGGER audit_terms_no_change",
        f"ALTER TABLE {TABLE} ENABLE ALWAYS TRIGGER audit_terms_no_truncate",
    ],
}
_DROP = {
    "sqlite": [f"DROP TRIGGER {name}" for name in ("audit_terms_no_update", "audit_terms_no_delete")],
    "postgresql": [f"DROP TRIGGER {name} ON {TABLE}" for name in ("audit_terms_no_change", "audit_terms_no_truncate")],
}


def protect(here: Any) -> None:
    """Create the triggers."""
    _run(here, _CREATE)


def unprotect(here: Any) -> None:
    """Drop the triggers."""
    _run(here, _DROP)


def _run(here: Any, statements: dict[str, list[str]]) -> None:
    with here.cursor() as cursor:
        for statement in statements[here.vendor]:
            cursor.execute(statement)


def enter(sequence: int, terms: list[str]) -> None:
    """Enter an event under its terms, as one statement: there may be a hundred.

    What a damaged ledger left behind under this number is no reason to stop.
    """
    marks = ",".join(["(%s,%s)"] * len(terms))
    values = [value for term in terms for value in (term, sequence)]
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {TABLE} (term, sequence) VALUES {marks} ON CONFLICT DO NOTHING", values)


def install(_apps: Any, schema_editor: Any) -> None:
    """Migration step: create the table, enter every event, then make it append-only."""
    here = schema_editor.connection
    with here.cursor() as cursor:
        cursor.execute(_TABLE[here.vendor])
    _enter_all(here)
    protect(here)


def rebuild(here: Any) -> None:
    """Make every entry anew from the events, in the caller's transaction. Needs the rights of the table's owner."""
    unprotect(here)
    with here.cursor() as cursor:
        cursor.execute(f"DELETE FROM {TABLE}")
    _enter_all(here)
    protect(here)


def remove(_apps: Any, schema_editor: Any) -> None:
    """Migration step backwards."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {TABLE}")


def _enter_all(here: Any) -> None:
    with here.cursor() as cursor:
        for rows in _rows(here):
            cursor.executemany(f"INSERT INTO {TABLE} (term, sequence) VALUES (%s, %s)", rows)


def _rows(here: Any) -> Iterator[list[tuple[str, int]]]:
    """Return (term, sequence) of every event, some events at a time."""
    statement = f"SELECT sequence, canonical FROM {_EVENTS} WHERE sequence > %s ORDER BY sequence LIMIT {_AT_ONCE}"
    last = 0
    while True:
        with here.cursor() as cursor:
            cursor.execute(statement, [last])
            events = cursor.fetchall()
        if not events:
            return
        last = events[-1][0]
        yield [(term, sequence) for sequence, text in events for term in terms_of(json.loads(text))]
