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
    """The database is an old one and its keys may be real: what to run is for the person at the terminal to decide."""


def set_aside(database: str, *, belongings: Sequence[Path], var: Path, standin_account: str) -> Path | None:
    """Move an old SQLite database and its belongings to `var/old-<date>/`; return that folder, or None if it isn't old.

    `database` is its URL, `standin_account` the SID of the account at the simulator, empty with a real endpoint. Where
    that is not the only account, keys may be real, and `NotMoved` says what to run. One on PostgreSQL stays; `migrate`
    refuses it. Killed half-way, the next start moves the rest: the database goes last.
    """
    if not database.startswith("sqlite"):
        return None
    file = Path(Env.db_url_config(database)["NAME"])
    applied, accounts = _read(file) if file.exists() else ([], set())
    if not made_by_others(applied):
        return None
    folder = _unused(var / f"old-{day(datetime.now(UTC))}")
    there = [
        path
        for path in (*belongings, file, *(file.with_name(file.name + ending) for ending in ("-wal", "-shm")))
        if path.exists()
    ]
    if not standin_account or accounts - {standin_account}:
        command = f"mkdir {shlex.quote(str(folder))} && mv {shlex.join(map(str, there))} {shlex.quote(str(folder))}/"
        raise NotMoved(
            f"{file.name} was made before version {__version__} and can't be migrated. Its keys may be "
            f"real, so it isn't moved without you. To start anew, run: {command}"
        )
    folder.mkdir()
    for path in there:
        shutil.move(path, folder)
    return folder


def _read(file: Path) -> tuple[list[tuple[str, str]], set[str]]:
    """Return the database's migrations, and its accounts' SIDs. Closing it also ends SQLite's write-ahead log."""
    try:
        with closing(sqlite3.connect(file)) as connection:
            applied = connection.execute("SELECT app, name FROM django_migrations").fetchall()
            return applied, {sid for (sid,) in connection.execute("SELECT sid FROM keys_app_account")}
    except sqlite3.Error:  # no tables yet, or no database: `migrate` makes the ones and says the other
        return [], set()


def _unused(folder: Path) -> Path:
    """Return the folder, or with the first number behind its name that makes it a new one."""
    number, name = 1, folder
    while name.exists():
        number += 1
        name = folder.with_name(f"{folder.name}-{number}")
    return name
