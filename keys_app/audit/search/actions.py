"""What the ledger knows of: the actions there are, found without reading every event."""

from django.db import connection

from keys_app.audit.models import AuditEvent


def actions() -> list[str]:
    """Return every action that was ever recorded, in order. One step along the index for each."""
    table = connection.ops.quote_name(AuditEvent._meta.db_table)
    statement = f"""
        WITH RECURSIVE seen(action) AS (
            SELECT MIN(action) FROM {table}
            UNION ALL
            SELECT (SELECT MIN(action) FROM {table} WHERE action > seen.action) FROM seen WHERE seen.action IS NOT NULL
        )
        SELECT action FROM seen WHERE action IS NOT NULL"""  # noqa: S608 - the table's own name
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return [action for (action,) in cursor.fetchall()]
