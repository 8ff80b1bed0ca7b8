"""The rules for migrations, from 0.9.0 on: see CHANGELOG.md.

A migration imports neither the product nor another migration; its number follows; once landed, it never changes; and
the version before still runs on its result. Django's operations are looked at, not their SQL: SQLite makes whole
tables anew for what PostgreSQL does to one column, so that SQL says there what isn't so.

Where a table has triggers, or a trigger names it, SQLite can't make it anew: there a new column may be null, or is
added with `RunSQL("ALTER TABLE … ADD COLUMN … NOT NULL DEFAULT …", state_operations=[…])`, in place on both databases.
"""

import ast
import hashlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection, migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ModelState, ProjectState

from keys_app import __version__

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {"keys_app": ROOT / "keys_app/migrations", "audit": ROOT / "keys_app/audit/migrations"}
FILES = sorted(path for folder in FOLDERS.values() for path in folder.glob("[0-9]*.py"))
LANDED = ROOT / "tests/upgrade/landed.txt"
# A migration that drops or renames something: the earlier version, listed in CHANGELOG.md, that stopped using it.
STOPPED_USING: dict[tuple[str, str], str] = {}
TAKEN_AWAY = (
    migrations.RemoveField,
    migrations.RenameField,
    migrations.DeleteModel,
    migrations.RenameModel,
    migrations.AlterModelTable,
)
SQL_THAT_TAKES_AWAY = re.compile(r"\b(DROP\s+(TABLE|COLUMN)|RENAME\s+(TO|COLUMN)|SET\s+NOT\s+NULL)\b", re.IGNORECASE)
TRIGGERS = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
}


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", FILES, ids=named)
def test_it_imports_django_and_the_standard_library_alone(path):
    allowed = {*sys.stdlib_module_names, "django"} - {"importlib", "runpy"}
    assert {name.partition(".")[0] for name in imported(path.read_text())} <= allowed


def imported(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")
        elif isinstance(node, ast.Name) and node.id == "__import__":
            yield "__import__"


@pytest.mark.parametrize(
    "line",
    [
        "import keys_app.models",
        "from keys_app import models",
        "from .. import models",
        "from . import a",
        "import importlib",
        "import django.db, portal",
        "__import__('keys_app')",
    ],
)
def test_the_rule_finds_live_code(line):
    assert {name.partition(".")[0] for name in imported(line)} - {"django"}


@pytest.mark.parametrize("folder", FOLDERS.values(), ids=named)
def test_numbers_follow_one_another(folder):
    numbers = [int(path.name[:4]) for path in sorted(folder.glob("[0-9]*.py"))]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_landed_migration_never_changes():
    """A new one gets its line with `sha256sum FILE >> tests/upgrade/landed.txt`."""
    landed = dict(reversed(line.split()) for line in LANDED.read_text().splitlines())
    assert landed == {named(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in FILES}


def test_the_version_before_runs_on_the_result_of_each():
    loader = MigrationLoader(None)
    found = {}
    for path in FILES:
        app, name = ("audit" if "audit" in path.parts else "keys_app"), path.stem
        before = loader.project_state((app, name), at_end=False)
        if faults := [*faults_of(loader.get_migration(app, name), before), *faults_in_sql(path.read_text())]:
            found[app, name] = faults
    assert {name: faults for name, faults in found.items() if name not in STOPPED_USING} == {}
    assert found.keys() >= STOPPED_USING.keys()
    changes = (ROOT / "CHANGELOG.md").read_text()
    assert all(f"\n## {version}" in changes and version != __version__ for version in STOPPED_USING.values())


def faults_in_sql(source: str) -> list[str]:
    return [f"its SQL says {match[0]}" for match in SQL_THAT_TAKES_AWAY.finditer(source)]


def faults_of(migration: migrations.Migration, state: ProjectState) -> list[str]:
    """Return what of a migration the version before can't live with. `state` is what the migration begins with."""
    faults, new = [], set()
    for operation in migration.operations:
        for step in getattr(operation, "database_operations", [operation]):
            if isinstance(step, TAKEN_AWAY):
                faults.append(f"{type(step).__name__}: {step.describe()}")
            elif isinstance(step, migrations.CreateModel):
                new.add(step.name_lower)
            elif isinstance(step, migrations.AddField) and step.model_name_lower not in new:
                faults += [] if may_be_left_out(step.field) else [f"{step.name}: neither null nor with a db_default"]
            elif isinstance(step, migrations.AlterField) and step.model_name_lower not in new:
                faults += narrowed(state.models[migration.app_label, step.model_name_lower], step)
        operation.state_forwards(migration.app_label, state)
    return faults


def may_be_left_out(field: models.Field) -> bool:
    """Return whether a row can be inserted by code that knows nothing of the field."""
    return field.null or field.has_db_default() or field.many_to_many


def narrowed(model: ModelState, step: migrations.AlterField) -> list[str]:
    old, new = model.fields[step.name], step.field
    length = new.max_length is not None and (old.max_length is None or new.max_length < old.max_length)
    faults = {
        "another type": old.get_internal_type() != new.get_internal_type(),
        "no longer null": old.null and not new.null,
        "no db_default any more": old.has_db_default() and not may_be_left_out(new),
        "shorter": length,
        "unique now": new.unique and not old.unique,
    }
    return [f"{step.name}: {fault}" for fault, there in faults.items() if there]


WORDS = models.CharField(max_length=9, null=True, help_text="In words.")
BEGIN = ProjectState()
BEGIN.add_model(ModelState("keys_app", "Thing", [("id", models.BigAutoField(primary_key=True)), ("words", WORDS)]))


def faults(*operations):
    migration = migrations.Migration("0009_tried", "keys_app")
    migration.operations = operations
    return faults_of(migration, BEGIN.clone())


def made(name, *fields):
    return migrations.CreateModel(name, [("id", models.BigAutoField(primary_key=True)), *fields])


def other(field):
    return migrations.AlterField("thing", "words", field)


@pytest.mark.parametrize(
    "operations",
    [
        [migrations.AddField("thing", "when", models.DateTimeField(null=True))],
        [migrations.AddField("thing", "kind", models.CharField(max_length=9, default="", db_default=""))],
        [migrations.AddField("thing", "others", models.ManyToManyField("keys_app.thing"))],
        [made("New", ("name", models.TextField())), migrations.AddField("new", "more", models.TextField())],
        [other(models.CharField(max_length=20, null=True, help_text="In other words."))],
        [migrations.AddIndex("thing", models.Index(fields=["words"], name="by_words"))],
        [migrations.SeparateDatabaseAndState(state_operations=[migrations.DeleteModel("thing")])],
    ],
)
def test_what_the_version_before_can_live_with_passes(operations):
    assert faults(*operations) == []


@pytest.mark.parametrize(
    "operation",
    [
        migrations.AddField("thing", "kind", models.CharField(max_length=9, default="")),
        migrations.RemoveField("thing", "words"),
        migrations.RenameField("thing", "words", "text"),
        migrations.DeleteModel("thing"),
        migrations.RenameModel("thing", "matter"),
        migrations.AlterModelTable("thing", "things"),
        migrations.SeparateDatabaseAndState(database_operations=[migrations.DeleteModel("thing")]),
        other(models.CharField(max_length=9, default="")),
        other(models.CharField(max_length=8, null=True)),
        other(models.CharField(max_length=9, null=True, unique=True)),
        other(models.IntegerField(null=True)),
    ],
)
def test_what_it_can_not_live_with_is_a_fault(operation):
    assert len(faults(operation)) == 1


@pytest.mark.parametrize(
    "sql", ["ALTER TABLE a DROP  COLUMN b", "drop table a", "ALTER TABLE a RENAME TO b", "ALTER COLUMN a SET NOT NULL"]
)
def test_so_is_sql_that_takes_away(sql):
    assert faults_in_sql(sql)
    assert not faults_in_sql("CREATE TABLE a (b text NOT NULL); DROP TRIGGER a")


def test_every_trigger_is_there(db):
    """SQLite makes a table anew for most changes, and its triggers go without a word: it has to restore them."""
    with connection.cursor() as cursor:
        cursor.execute(TRIGGERS[connection.vendor])
        there = sorted(name for (name,) in cursor.fetchall())
    ledger = {"sqlite": ["no_delete", "no_update"], "postgresql": ["no_change", "no_truncate"]}[connection.vendor]
    tables = {"audit": True, "audit_node": True, "audit_checkpoint": True, "audit_terms": False}
    expected = [
        f"{table}_{name}" for table, in_turn in tables.items() for name in [*ledger, *["next_number"] * in_turn]
    ]
    assert there == sorted([*expected, *RULES])


RULES = [
    *(f"{table}_no_delete" for table in ("approval", "narrowing")),
    *(f"{table}_no_truncate" for table in ("approval", "narrowing") if connection.vendor == "postgresql"),
    "approval_fixed",
    "approval_not_own_insert",
    "approval_not_void_insert",
    "approval_right_insert",
    "approval_rule_insert",
    "narrowing_fixed",
    "narrowing_insert",
    "narrowing_not_own_insert",
    "request_alone_fixed",
    "request_approved_insert",
    "request_approved_update",
    "request_fixed",
    "request_glass_insert",
    "request_glass_update",
    "request_incident_insert",
    "user_deactivated",
]
