"""Sets the demo's database aside if other migrations than this version's made it, so that the demo starts anew."""

import shlex
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from environ import Env

from keys_app import __version__
from keys_app.core.times import day
from portal.schema import made_by_others


class NotMoved(Exception):
    """The database is an old one and its keys are real: what to run is for the person at the terminal to decide."""


def set_aside(database: str, *, belongings: Sequence[Path], var: Path, real: bool) -> Path | None:
    """Move an old SQLite database and its belongings to `var/old-<date>/`; return that folder, or None if it isn't old.

    `database` is its URL, `real` whether its keys are at a real endpoint: then `NotMoved` says what to run. One on
    PostgreSQL stays; `migrate` refuses it. Killed half-way, the next start moves the rest: the database goes last.
    """
    file = Path(Env.db_url_config(database)["NAME"])
    if not database.startswith("sqlite") or not file.exists() or not made_by_others(_applied(file)):
        return None
    folder = _unused(var / f"old-{day(datetime.now(UTC))}")
    there = [
        path
        for path in (*belongings, file, *(file.with_name(file.name + ending) for ending in ("-wal", "-shm")))
        if path.exists()
    ]
    if real:
        command = f"mkdir {shlex.quote(str(folder))} && mv {shlex.join(map(str, there))} {shlex.quote(str(folder))}/"
        raise NotMoved(
            f"{file.name} was made before version {__version__} and can't be migrated. Its keys are real, "
            f"so it isn't moved without you. To start anew, run: {command}"
        )
    folder.mkdir()
    for path in there:
        shutil.move(path, folder)
    return folder


def _applied(file: Path) -> list[tuple[str, str]]:
    """Return the database's migrations. Closing the last connection also ends SQLite's write-ahead log."""
    try:
        with closing(sqlite3.connect(file)) as connection:
            return connection.execute("SELECT app, name FROM django_migrations").fetchall()
    except sqlite3.Error:  # no table yet, or no database: `migrate` makes the one and says the other
        return []


def _unused(folder: Path) -> Path:
    """Return the folder, or with the first number behind its name that makes it a new one."""
    number, name = 1, folder
    while name.exists():
        number += 1
        name = folder.with_name(f"{folder.name}-{number}")
    return name
