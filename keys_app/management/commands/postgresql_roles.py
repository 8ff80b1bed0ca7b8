import re
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from keys_app.audit import triggers
from keys_app.audit.database_role import LEDGER

KEPT = triggers.DECISIONS
"""What is decided is never deleted; `void_at` is written into an approval later."""
READ_ONLY = ("django_migrations",)


def statements(role: str, tables: list[str], database: str) -> list[str]:
    """Return the grants that let `role` run the portal on these tables: of the ledger it may read and append.

    It makes no tables: a temporary one, or one in a schema that comes first, would hide the portal's from it.
    """
    changed = [table for table in tables if table not in (*LEDGER, *KEPT, *READ_ONLY)]
    return [
        f"REVOKE TEMPORARY, CREATE ON DATABASE {database} FROM PUBLIC, {role};",
        f"REVOKE CREATE ON SCHEMA public FROM PUBLIC, {role};",
        f"GRANT USAGE ON SCHEMA public TO {role};",
        f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role};",
        f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role};",
        f"GRANT SELECT ON {', '.join(READ_ONLY)} TO {role};",
        f"GRANT SELECT, INSERT ON {', '.join(table for table in LEDGER if table in tables)} TO {role};",
        f"GRANT SELECT, INSERT, UPDATE ON {', '.join(KEPT)} TO {role};",
        *(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {role};" for table in changed),
    ]


class Command(BaseCommand):
    """Written for the tables there are, so that none is forgotten when one is added. Run it after each migrate."""

    help = (
        "Print the SQL that lets a PostgreSQL role run the portal with no more than SELECT and INSERT on the ledger. "
        "Run it as the role that owns the tables: manage.py postgresql_roles --role NAME | psql …"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--role", default="key_portal_app", help="the run-time role, which has to exist")

    def handle(self, *args: Any, **options: Any) -> None:
        if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", options["role"]):
            raise CommandError("A role's name has lower-case letters, digits and underscores.")
        if connection.vendor != "postgresql":
            raise CommandError("This is for PostgreSQL; DATABASE_URL names another database.")
        models = apps.get_models(include_auto_created=True)
        tables = sorted({model._meta.db_table for model in models} | {*READ_ONLY})
        database = connection.ops.quote_name(connection.settings_dict["NAME"])
        self.stdout.write("\n".join(statements(options["role"], tables, database)))
