"""What the portal's database role may do that it should not; `manage.py postgresql_roles` gives it what it needs."""

import json
from dataclasses import dataclass

from django.apps import apps

from keys_app.core.db import for_database
from keys_app.core.text import joined

from .verification import read

LEDGER = ("audit_auditevent", "audit_eventterm", "audit_node", "audit_checkpoint")

# The role that signed in, and each role it may become: what those may do, it may.
_OWNERS = """
    SELECT DISTINCT pg_get_userbyid(relowner), pg_has_role(session_user, relowner, 'MEMBER') FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relname IN (SELECT json_array_elements_text(%s::json))
"""
_MAY = """
    SELECT bool_or(rolsuper), bool_or(rolcreaterole),
           bool_or(has_database_privilege(oid, current_database(), 'CREATE')),
           bool_or(has_schema_privilege(oid, current_schema(), 'CREATE')),
           bool_or(has_database_privilege(oid, current_database(), 'TEMPORARY'))
    FROM pg_roles WHERE pg_has_role(session_user, oid, 'MEMBER')
"""
_WORDS = ("is a superuser", "may create roles", "may create schemas", "may create tables in the portal’s schema")
_MAY_CHANGE = """
    SELECT relname, array_agg(DISTINCT what ORDER BY what)
    FROM pg_class, pg_roles, unnest(ARRAY['DELETE', 'TRIGGER', 'TRUNCATE', 'UPDATE']) AS what
    WHERE relnamespace = current_schema()::regnamespace AND relname IN (SELECT json_array_elements_text(%s::json))
      AND pg_has_role(session_user, pg_roles.oid, 'MEMBER')
      AND (has_table_privilege(pg_roles.oid, pg_class.oid, what)
           OR (what = 'UPDATE' AND has_any_column_privilege(pg_roles.oid, pg_class.oid, what)))
    GROUP BY relname ORDER BY relname
"""


@dataclass(frozen=True, slots=True)
class DatabaseRole:
    """`excess` says what the role may do beside the portal's work, empty if nothing.

    `remark` says what could be stricter: where one role does everything, it owns the tables as well.
    """

    name: str = ""
    excess: str = ""
    remark: str = ""


def look() -> DatabaseRole:
    """Return what the role of this connection may do. SQLite has no roles."""
    return for_database(sqlite=DatabaseRole, postgresql=_look)()


def _look() -> DatabaseRole:
    [(name,)] = read("SELECT session_user::text")
    tables = [model._meta.db_table for model in apps.get_models(include_auto_created=True)]
    owners = dict(read(_OWNERS, json.dumps(tables)))
    if set(owners) <= {name}:
        remark = (
            f"The database role {name} owns the portal’s tables, so it can switch off the triggers that keep the "
            "ledger append-only. Run the portal as another role: “Set it up” in docs/audit.md says how."
        )
        return DatabaseRole(name, remark=remark if owners else "")
    [(*may, temporary)] = read(_MAY)
    if may[0]:
        excess = list(_WORDS[:1])
    else:
        excess = [words for words, it in zip(_WORDS, may, strict=True) if it]
        excess += ["owns tables"] * (name in owners)
        excess += [f"may act as {owner}, which owns tables" for owner, it in owners.items() if it and owner != name]
        excess += [f"has {joined(rights)} on {table}" for table, rights in read(_MAY_CHANGE, json.dumps(LEDGER))]
    if excess:
        words = f"The database role {name} may do more than it should: it {joined(excess)}."
        return DatabaseRole(name, excess=f"{words} Give it what manage.py postgresql_roles prints, and no more.")
    remark = (
        f"The database role {name} may create temporary tables, which hide the portal’s from it. Run what manage.py "
        "postgresql_roles prints as the database’s owner."
    )
    return DatabaseRole(name, remark=remark if temporary else "")
