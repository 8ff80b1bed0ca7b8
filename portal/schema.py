"""Whether the migrations that made a database are this version's. Others' tables can't be brought up to date."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from shlex import quote
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder

from keys_app import __version__

_PACKAGE = Path(__file__).resolve().parent.parent / "keys_app"
_MIGRATIONS = {"keys_app": _PACKAGE / "migrations", "audit": _PACKAGE / "audit" / "migrations"}


def made_by_others(applied: Iterable[tuple[str, str]]) -> bool:
    """Return whether a database with these (app, migration) was made by other migrations than this version's.

    One of an earlier version lacks some of ours, one of a later version has more than ours; such a one, both.
    """
    ours = {(app, path.stem) for app, folder in _MIGRATIONS.items() for path in folder.glob("[0-9]*.py")}
    theirs = {(app, name) for app, name in applied if app in _MIGRATIONS}
    return bool(ours - theirs and theirs - ours)


def check(*, databases: Sequence[str] | None, **_: Any) -> list[CheckMessage]:
    """System check that `migrate` runs first: say what is wrong, rather than fail on a table that is there already."""
    return [
        Error(
            f"This database was made by other migrations than those of version {__version__}, by an older version or "
            "another branch. Its tables can't be brought up to date. Nothing was changed.",
            hint=f"Stop the portal's processes and start with an empty database: {_command(alias)}",
            id="portal.E001",
        )
        for alias in databases or ()
        if made_by_others(MigrationRecorder(connections[alias]).applied_migrations())
    ]


def _command(alias: str) -> str:
    """Return what to run: the ledger's checkpoints go with the database, as they don't fit another ledger."""
    name, checkpoints = str(connections[alias].settings_dict["NAME"]), settings.CHECKPOINT_DIR
    away = f"{_aside(str(checkpoints))} && " if checkpoints.exists() else ""
    if connections[alias].vendor == "postgresql":
        new = quote(f"{name}_{__version__.replace('.', '_')}")
        return f"{away}createdb {new}, then name that one in DATABASE_URL."
    return f"{away}{_aside(name)}"


def _aside(path: str) -> str:
    """Return a command that moves something aside, but never over what is there already."""
    return f"mv -n {quote(path)} {quote(path + '-old')}"
