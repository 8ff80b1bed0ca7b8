"""Approvals and narrowings are never deleted, and no temporary table hides one that a trigger reads.

PostgreSQL looks for a table among the temporary ones first, unless the search path names them: a role that may make
one could have its own approvals counted. Each trigger's function gets a path with them last. SQLite's triggers see the
tables of their own database alone.
"""

from django.db import migrations

TABLES = {"keys_app_approval": "approval", "keys_app_narrowing": "narrowing"}
WORDS = "a decision is never deleted"
# All functions of triggers that there are.
FUNCTIONS = [
    *("audit_refuse", "audit_expect_next", "audit_node_expect_next", "audit_checkpoint_expect_next"),
    *("approval_fixed", "approval_not_own_insert", "approval_not_void_insert", "approval_right_insert"),
    *("approval_rule_insert", "narrowing_fixed", "narrowing_insert", "narrowing_not_own_insert"),
    *("request_alone_fixed", "request_approved_insert", "request_approved_update", "request_fixed"),
    *("request_glass_insert", "request_glass_update", "request_incident_insert", "user_deactivated", "decision_stays"),
]


def sqlite():
    for table, name in TABLES.items():
        yield f"CREATE TRIGGER {name}_no_delete BEFORE DELETE ON {table} BEGIN SELECT RAISE(ABORT, '{WORDS}'); END"


def postgresql():
    yield (
        "CREATE FUNCTION decision_stays() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"RAISE EXCEPTION '{WORDS}' USING ERRCODE = 'check_violation'; END $$"
    )
    for table, name in TABLES.items():
        for what, each in (("delete", "ROW"), ("truncate", "STATEMENT")):
            yield (
                f"CREATE TRIGGER {name}_no_{what} BEFORE {what.upper()} ON {table} "
                f"FOR EACH {each} EXECUTE FUNCTION decision_stays()"
            )
            yield f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}_no_{what}"
    for name in FUNCTIONS:
        yield f"ALTER FUNCTION {name}() SET search_path = pg_catalog, {{schema}}, pg_temp"


def install(apps, schema_editor):
    if schema_editor.connection.vendor == "sqlite":
        schema = ""
        statements = sqlite()
    else:
        with schema_editor.connection.cursor() as cursor:
            cursor.execute("SELECT quote_ident(current_schema())")
            schema = cursor.fetchone()[0]
        statements = postgresql()
    for statement in statements:
        schema_editor.execute(statement.replace("{schema}", schema), params=None)


class Migration(migrations.Migration):
    dependencies = [("keys_app", "0010_drafts"), ("audit", "0002_append_only")]
    operations = [migrations.RunPython(install)]
