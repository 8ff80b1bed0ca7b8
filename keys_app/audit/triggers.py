"""Database triggers that make the ledger append-only, whoever writes to it.

Seen on PostgreSQL: row triggers do not stop TRUNCATE, so there is a statement trigger as well, and
`ENABLE ALWAYS` keeps them on under `session_replication_role`. Seen on SQLite: `INSERT OR REPLACE` passes
UPDATE and DELETE triggers, so every insert must be the next one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

EVENTS, NODES, CHECKPOINTS = "audit_auditevent", "audit_node", "audit_checkpoint"
_REFUSAL = "the audit ledger is append-only"


@dataclass(frozen=True, slots=True)
class TableTriggers:
    """What protects one table: the beginning of its triggers' names, and which row `NEW` may not be inserted."""

    table: str
    prefix: str
    out_of_turn: str
    expected: str


_GUARDS = {
    guard.table: guard
    for guard in (
        TableTriggers(
            EVENTS,
            "audit",
            f"NEW.sequence <> (SELECT COALESCE(MAX(sequence), 0) + 1 FROM {EVENTS}) OR NEW.sequence IS NULL",
            "the next number was expected",
        ),
        TableTriggers(
            NODES,
            "audit_node",
            f"NEW.position <> (SELECT COALESCE(MAX(position) + 1, 0) FROM {NODES} WHERE level = NEW.level) "
            f"OR NEW.level NOT BETWEEN 1 AND 62 OR NEW.level IS NULL OR NEW.position IS NULL",
            "the next node of a level was expected",
        ),
        TableTriggers(
            CHECKPOINTS,
            "audit_checkpoint",
            f"NEW.size <= (SELECT COALESCE(MAX(size), -1) FROM {CHECKPOINTS}) OR NEW.size IS NULL",
            "a larger checkpoint was expected",
        ),
    )
}


def _sqlite(guard: TableTriggers) -> list[str]:
    table, prefix = guard.table, guard.prefix
    return [
        f"CREATE TRIGGER {prefix}_no_update BEFORE UPDATE ON {table} BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END",
        f"CREATE TRIGGER {prefix}_no_delete BEFORE DELETE ON {table} BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END",
        f"CREATE TRIGGER {prefix}_next_number BEFORE INSERT ON {table} WHEN {guard.out_of_turn} "
        f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}: {guard.expected}'); END",
    ]


def _sqlite_drop(guard: TableTriggers) -> list[str]:
    return [f"DROP TRIGGER {guard.prefix}_{name}" for name in ("no_update", "no_delete", "next_number")]


def _postgresql(guard: TableTriggers) -> list[str]:
    table, prefix = guard.table, guard.prefix
    return [
        f"""CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$""",
        f"""CREATE FUNCTION {prefix}_expect_next() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF {guard.out_of_turn} THEN RAISE EXCEPTION '{_REFUSAL}: {guard.expected}'; END IF;
            RETURN NEW;
        END $$""",
        f"""CREATE TRIGGER {prefix}_no_change BEFORE UPDATE OR DELETE ON {table}
        FOR EACH ROW EXECUTE FUNCTION audit_refuse()""",
        f"""CREATE TRIGGER {prefix}_no_truncate BEFORE TRUNCATE ON {table}
        FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()""",
        f"""CREATE TRIGGER {prefix}_next_number BEFORE INSERT ON {table}
        FOR EACH ROW EXECUTE FUNCTION {prefix}_expect_next()""",
        *(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {prefix}_{name}" for name in _POSTGRESQL_NAMES),
    ]


_POSTGRESQL_NAMES = ("no_change", "no_truncate", "next_number")


def _postgresql_drop(guard: TableTriggers) -> list[str]:
    return [
        *(f"DROP TRIGGER {guard.prefix}_{name} ON {guard.table}" for name in _POSTGRESQL_NAMES),
        f"DROP FUNCTION {guard.prefix}_expect_next()",
    ]


_Statements = Mapping[str, Callable[[TableTriggers], list[str]]]
_CREATE: _Statements = {"sqlite": _sqlite, "postgresql": _postgresql}
_DROP: _Statements = {"sqlite": _sqlite_drop, "postgresql": _postgresql_drop}


def create(connection: Any, *tables: str) -> None:
    """Put the triggers on these tables, or on all of the ledger's."""
    _run(connection, _CREATE, tables)


def drop(connection: Any, *tables: str) -> None:
    """Take the triggers off these tables, or off all of the ledger's, as their owner can."""
    _run(connection, _DROP, tables)


def _run(connection: Any, statements: _Statements, tables: tuple[str, ...]) -> None:
    with connection.cursor() as cursor:
        for table in tables or _GUARDS:
            for statement in statements[connection.vendor](_GUARDS[table]):
                cursor.execute(statement)


def install(_apps: Any, schema_editor: Any) -> None:
    """Migration step: create the events' triggers."""
    create(schema_editor.connection, EVENTS)


def remove(_apps: Any, schema_editor: Any) -> None:
    """Migration step backwards: drop the events' triggers."""
    drop(schema_editor.connection, EVENTS)


def install_tree(_apps: Any, schema_editor: Any) -> None:
    """Migration step: create the triggers of the tree and the checkpoints."""
    create(schema_editor.connection, NODES, CHECKPOINTS)


def remove_tree(_apps: Any, schema_editor: Any) -> None:
    """Migration step backwards: drop the triggers of the tree and the checkpoints."""
    drop(schema_editor.connection, NODES, CHECKPOINTS)
