"""What guards the database whatever writes to it: its triggers, and that nothing hides one of its tables.

Which triggers there must be, the applied migrations say: one that makes some has functions `sqlite` and `postgresql`
that return its statements. What is there is held against them word for word: an empty trigger is as bad as none.
"""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

from django.apps import apps
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from keys_app.core.db import for_database

from .verification import read

_OURS = ("audit", "keys_app")
_CREATE = re.compile(r"CREATE TRIGGER (\w+) (\w+) (.+?) ON (?:\w+\.)?(\w+) (.*)", re.DOTALL)
_FUNCTION = re.compile(r"CREATE (?:OR REPLACE )?FUNCTION (\w+)\(\).*?\$\$(.*)\$\$", re.DOTALL)
_PATH = re.compile(r"ALTER FUNCTION (\w+)\(\) SET search_path = (.*)")
_ALWAYS = re.compile(r"ALTER TABLE \w+ ENABLE ALWAYS TRIGGER (\w+)")
_MARKS = re.compile(r"[()\s]")
_DROP = re.compile(r"DROP TRIGGER (\w+)")

_TRIGGERS = {
    "sqlite": "SELECT name, tbl_name, sql FROM main.sqlite_master WHERE type = 'trigger'",
    "postgresql": """
        SELECT tgname, relname, pg_get_triggerdef(pg_trigger.oid), tgenabled, prosrc,
               array_to_string(proconfig, ' and ')
        FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid JOIN pg_proc ON pg_proc.oid = tgfoid
        WHERE NOT tgisinternal AND relnamespace = current_schema()::regnamespace
    """,
}
_HIDING = {
    "sqlite": """
        SELECT name, 'among the temporary ones' FROM sqlite_temp_master
        WHERE type = 'trigger' OR lower(name) IN (SELECT value FROM json_each(%s))
    """,
    "postgresql": """
        SELECT relname, 'in ' || string_agg(nspname, ' and ' ORDER BY array_position(current_schemas(true), nspname))
        FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE relname IN (SELECT json_array_elements_text(%s::json)) AND nspname = ANY(current_schemas(true))
        GROUP BY relname HAVING COUNT(*) > 1 OR bool_or(relkind NOT IN ('r', 'p'))
    """,
}
_ALTERED = """
    SELECT relname, CASE WHEN relhasrules THEN 'a rule rewrites what is done to it' ELSE 'row security hides rows' END
    FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND (relhasrules OR relrowsecurity)
      AND relname IN (SELECT json_array_elements_text(%s::json)) AND relkind = 'r'
"""


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger as far as it matters. On PostgreSQL `body` is its function's, `path` its function's settings."""

    table: str
    does: str
    fires: str = "O"
    body: str = ""
    path: str = ""


def problems() -> list[str]:
    """Return what of the guards is gone, switched off or replaced, or is there and should not be; a sentence each."""
    loader = MigrationLoader(connection)
    applied = {key for key in loader.applied_migrations if key[0] in _OURS}
    expected, there = _expected(loader, applied), for_database(sqlite=_sqlite, postgresql=_postgresql)()
    is_newer = bool(applied - set(loader.disk_migrations))  # such a database may have more triggers, or other ones
    found = [f"The trigger {name} of {one.table} is gone." for name, one in expected.items() if name not in there]
    for name, one in there.items():
        if name in expected:
            found += _differences(name, expected[name], one, only_whether_on=is_newer)
        elif not is_newer:
            found.append(f"The trigger {name} of {one.table} is none that a migration made.")
    return sorted(found) + (_in_the_way() if expected else [])


def _differences(name: str, expected: Trigger, there: Trigger, *, only_whether_on: bool) -> Iterator[str]:
    if there.fires not in (expected.fires, "A"):
        yield f"The trigger {name} of {expected.table} is switched off{' for replicas' * (there.fires == 'O')}."
    if not only_whether_on and replace(there, fires="") != replace(expected, fires=""):
        yield f"The trigger {name} of {expected.table} was replaced: it does something else."


def _in_the_way() -> list[str]:
    """Return what hides a table, or changes what is done to one."""
    names = sorted({model._meta.db_table for model in apps.get_models(include_auto_created=True)})
    listed = json.dumps(names)
    hiding = read(for_database(**_HIDING), listed)
    found = [
        f"{name} may not be the portal’s own: there is one {where}, and the first is used." for name, where in hiding
    ]
    return found + for_database(sqlite=_nothing, postgresql=_altered)(listed)


def _nothing(_: str) -> list[str]:
    return []


def _altered(listed: str) -> list[str]:
    found = [f"The table {name} is not as it was made: {what}." for name, what in read(_ALTERED, listed)]
    if read("SHOW session_replication_role") != [("origin",)]:
        found.append("session_replication_role switches triggers off for this database role.")
    return found


# What there must be.


def _expected(loader: MigrationLoader, applied: set[tuple[str, str]]) -> dict[str, Trigger]:
    of_database = for_database(sqlite="sqlite", postgresql="postgresql")
    found: dict[str, Trigger] = {}
    functions: dict[str, tuple[str, str]] = {}
    schema = for_database(sqlite=_no_schema, postgresql=_schema)()
    for key in sorted(applied & set(loader.disk_migrations)):
        module = sys.modules[loader.disk_migrations[key].__module__]
        for statement in getattr(module, of_database, list)():
            _note(statement.replace("{schema}", schema), found, functions)
    if functions:
        return {name: _with_function(one, functions) for name, one in found.items()}
    return found


def _no_schema() -> str:
    return ""


def _schema() -> str:
    [(name,)] = read("SELECT quote_ident(current_schema())")
    return str(name)


def _note(statement: str, found: dict[str, Trigger], functions: dict[str, tuple[str, str]]) -> None:
    """Note what a statement of a migration makes, changes or drops."""
    if match := _CREATE.match(statement):
        does = for_database(sqlite=statement, postgresql=_shape(statement))
        found[match[1]] = Trigger(match[4], does)
    elif match := _FUNCTION.match(statement):
        functions[match[1]] = (match[2], "")
    elif match := _PATH.match(statement):
        functions[match[1]] = (functions.get(match[1], ("", ""))[0], f"search_path={match[2]}")
    elif match := _ALWAYS.match(statement):
        found[match[1]] = replace(found[match[1]], fires="A")
    elif match := _DROP.match(statement):
        del found[match[1]]


def _shape(definition: str) -> str:
    """Return what a trigger of PostgreSQL does in one way of writing it: the server writes it in its own."""
    match = _CREATE.match(definition)
    if match is None:
        return definition
    _, when, events, table, rest = match.groups()
    what = _MARKS.sub("", rest).lower()
    return f"{when} {sorted(events.split(' OR '))} {table} {what}"


def _with_function(trigger: Trigger, functions: dict[str, tuple[str, str]]) -> Trigger:
    body, path = functions[trigger.does.rpartition("executefunction")[2]]
    return replace(trigger, body=body, path=path)


# What is there.


def _sqlite() -> dict[str, Trigger]:
    return {name: Trigger(table, sql) for name, table, sql in read(_TRIGGERS["sqlite"])}


def _postgresql() -> dict[str, Trigger]:
    return {
        name: Trigger(table, _shape(definition), fires, body, path or "")
        for name, table, definition, fires, body, path in read(_TRIGGERS["postgresql"])
    }
