"""Takes triggers off and puts the same ones on again, as the tables' owner can. Migrations made them."""

from typing import Any

_LEDGER = ("audit_auditevent", "audit_node", "audit_checkpoint", "audit_eventterm")
DECISIONS = ("keys_app_approval", "keys_app_narrowing")
_FOUND = {
    "sqlite": "SELECT name, sql, '' FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s",
    "postgresql": """SELECT tgname, pg_get_triggerdef(oid), CASE tgenabled WHEN 'A' THEN 'ALWAYS' ELSE '' END
                     FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal""",
}


def drop(connection: Any, *tables: str) -> list[str]:
    """Drop the triggers of these tables, or all of the ledger's; return what `create` makes them again with."""
    statements: list[str] = []
    with connection.cursor() as cursor:
        for table in tables or _LEDGER:
            cursor.execute(_FOUND[connection.vendor], [table])
            for name, definition, always in cursor.fetchall():
                cursor.execute(f"DROP TRIGGER {name}" + (f" ON {table}" if connection.vendor == "postgresql" else ""))
                statements += [definition, f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}"][: 2 if always else 1]
    return statements


def create(connection: Any, statements: list[str]) -> None:
    """Put the triggers on again that `drop` returned."""
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
