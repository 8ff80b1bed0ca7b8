"""Database triggers that make the ledger append-only, whoever writes to it.

Seen on PostgreSQL: row triggers do not stop TRUNCATE, so there is a statement trigger as well, and
`ENABLE ALWAYS` keeps them on under `session_replication_role`. Seen on SQLite: `INSERT OR REPLACE` passes
UPDATE and DELETE triggers, so every insert must carry the next number.
"""

from typing import Any

TABLE = "audit_auditevent"
_REFUSAL = "the audit ledger is append-only"

_SQLITE = [
    f"""CREATE TRIGGER audit_no_update BEFORE UPDATE ON {TABLE}
        BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END""",
    f"""CREATE TRIGGER audit_no_delete BEFORE DELETE ON {TABLE}
        BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END""",
    f"""CREATE TRIGGER audit_next_number BEFORE INSERT ON {TABLE}
        WHEN NEW.sequence IS NOT (SELECT COALESCE(MAX(sequence), 0) + 1 FROM {TABLE})
        BEGIN SELECT RAISE(ABORT, '{_REFUSAL}: the next number was expected'); END""",
]

_POSTGRESQL = [
    f"""CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$""",
    f"""CREATE FUNCTION audit_expect_next() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.sequence IS DISTINCT FROM (SELECT COALESCE(MAX(sequence), 0) + 1 FROM {TABLE}) THEN
                RAISE EXCEPTION '{_REFUSAL}: the next number was expected';
            END IF;
            RETURN NEW;
        END $$""",
    f"""CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON {TABLE}
        FOR EACH ROW EXECUTE FUNCTION audit_refuse()""",
    f"""CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON {TABLE}
        FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()""",
    f"""CREATE TRIGGER audit_next_number BEFORE INSERT ON {TABLE}
        FOR EACH ROW EXECUTE FUNCTION audit_expect_next()""",
    f"ALTER TABLE {TABLE} ENABLE ALWAYS TRIGGER audit_no_change",
    f"ALTER TABLE {TABLE} ENABLE ALWAYS TRIGGER audit_no_truncate",
    f"ALTER TABLE {TABLE} ENABLE ALWAYS TRIGGER audit_next_number",
]

_DROP = {
    "sqlite": [f"DROP TRIGGER {name}" for name in ("audit_no_update", "audit_no_delete", "audit_next_number")],
    "postgresql": [
        *(f"DROP TRIGGER {name} ON {TABLE}" for name in ("audit_no_change", "audit_no_truncate", "audit_next_number")),
        "DROP FUNCTION audit_refuse()",
        "DROP FUNCTION audit_expect_next()",
    ],
}
_CREATE = {"sqlite": _SQLITE, "postgresql": _POSTGRESQL}


def _run(connection: Any, statements: dict[str, list[str]]) -> None:
    with connection.cursor() as cursor:
        for statement in statements[connection.vendor]:
            cursor.execute(statement)


def install(apps: Any, schema_editor: Any) -> None:
    """Migration step: create the triggers."""
    _run(schema_editor.connection, _CREATE)


def remove(apps: Any, schema_editor: Any) -> None:
    """Migration step backwards: drop the triggers."""
    _run(schema_editor.connection, _DROP)
