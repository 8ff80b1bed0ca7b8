"""Triggers that make the ledger append-only, whoever writes to it.

Seen on PostgreSQL: row triggers don't stop TRUNCATE, so there is a statement trigger as well, and
`ENABLE ALWAYS` keeps them on under `session_replication_role`. Seen on SQLite: `INSERT OR REPLACE` passes
UPDATE and DELETE triggers, so every insert must be the next one.
"""

from django.db import migrations

REFUSAL = "the audit ledger is append-only"

# Table, the beginning of its triggers' names, which row may not be inserted, in which words; terms come in any order.
GUARDS = [
    (
        "audit_auditevent",
        "audit",
        "NEW.sequence <> (SELECT COALESCE(MAX(sequence), 0) + 1 FROM audit_auditevent) OR NEW.sequence IS NULL",
        "the next number was expected",
    ),
    (
        "audit_node",
        "audit_node",
        "NEW.position <> (SELECT COALESCE(MAX(position) + 1, 0) FROM audit_node WHERE level = NEW.level) "
        "OR NEW.level NOT BETWEEN 1 AND 62 OR NEW.level IS NULL OR NEW.position IS NULL",
        "the next node of a level was expected",
    ),
    (
        "audit_checkpoint",
        "audit_checkpoint",
        "NEW.size <= (SELECT COALESCE(MAX(size), -1) FROM audit_checkpoint) OR NEW.size IS NULL",
        "a larger checkpoint was expected",
    ),
    ("audit_eventterm", "audit_terms", "", ""),
]


def sqlite():
    for table, prefix, out_of_turn, expected in GUARDS:
        for change in ("update", "delete"):
            yield (
                f"CREATE TRIGGER {prefix}_no_{change} BEFORE {change.upper()} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
            )
        if out_of_turn:
            yield (
                f"CREATE TRIGGER {prefix}_next_number BEFORE INSERT ON {table} WHEN {out_of_turn} "
                f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}: {expected}'); END"
            )


def postgresql():
    function = "RETURNS trigger LANGUAGE plpgsql AS"
    yield f"CREATE FUNCTION audit_refuse() {function} $$ BEGIN RAISE EXCEPTION '{REFUSAL}'; END $$"
    for table, prefix, out_of_turn, expected in GUARDS:
        made = {
            "no_change": "BEFORE UPDATE OR DELETE ON {} FOR EACH ROW EXECUTE FUNCTION audit_refuse()",
            "no_truncate": "BEFORE TRUNCATE ON {} FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()",
        }
        if out_of_turn:
            yield (
                f"CREATE FUNCTION {prefix}_expect_next() {function} $$ BEGIN IF {out_of_turn} "
                f"THEN RAISE EXCEPTION '{REFUSAL}: {expected}'; END IF; RETURN NEW; END $$"
            )
            made["next_number"] = f"BEFORE INSERT ON {{}} FOR EACH ROW EXECUTE FUNCTION {prefix}_expect_next()"
        for name, does in made.items():
            yield f"CREATE TRIGGER {prefix}_{name} {does.format(table)}"
            yield f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {prefix}_{name}"


def install(apps, schema_editor):
    for statement in {"sqlite": sqlite, "postgresql": postgresql}[schema_editor.connection.vendor]():
        schema_editor.execute(statement, params=None)


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]
    operations = [migrations.RunPython(install)]
