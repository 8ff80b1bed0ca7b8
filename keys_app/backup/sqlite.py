"""Copies and restores a SQLite database: by SQLite's own backup, never as a file that may be written to meanwhile."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from django.db import connection

from .folder import BackupRefused, FileSum, settled, sum_of
from .other_database import default_database

FILE = "database.sqlite3"
_BESIDE = ("", "-wal", "-shm", "-journal")
_TIMEOUT = 60.0


@contextmanager
def copy(folder: Path) -> Iterator[str]:
    """Copy the database while the portal writes, then let the default connection read the copy.

    All pages are copied in one step, under one read lock, so a busy portal neither changes the copy half-way nor makes
    it begin anew. The copy is one file, with nothing left in a log beside it. Yields the program that wrote it.
    """
    source, target = _file(), folder / FILE
    if not source.is_file():
        raise BackupRefused(f"There is no database at {source}.")
    try:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL, 0o600))
        with (
            closing(sqlite3.connect(_uri(source, "rw"), uri=True, timeout=_TIMEOUT)) as original,
            closing(sqlite3.connect(target)) as new,
        ):
            original.backup(new)
            new.execute("PRAGMA journal_mode = DELETE")
            problem = new.execute("PRAGMA integrity_check(1)").fetchone()[0]
        settled(target)
    except sqlite3.Error as error:
        raise BackupRefused(f"{source} can't be copied: {error}") from None
    if problem != "ok":
        raise BackupRefused(f"{source} is damaged: {problem}")
    with reading(target):
        yield f"SQLite {sqlite3.sqlite_version}"


@contextmanager
def reading(file: Path) -> Iterator[None]:
    """Let the default connection read a file that nothing writes to, without leaving anything beside it."""
    with default_database(NAME=_uri(file, "ro&immutable=1"), OPTIONS={}):
        yield


def refuse_target() -> None:
    """Raise `BackupRefused` unless the database's file, and what SQLite keeps beside it, is not there nor open."""
    target = _file()
    there = [path for ending in _BESIDE if (path := target.with_name(target.name + ending)).exists()]
    if users := _processes_with(target):
        raise BackupRefused(
            f"{target} is open in the process {', '.join(map(str, users))}. Stop every process of the portal first."
        )
    if there:
        aside = " && ".join(f"mv -n {path} {path}-old" for path in there)
        raise BackupRefused(
            f"{' and '.join(map(str, there))} must not be there: nothing is restored over a database, or beside what "
            f"is left of one. Stop every process of the portal and move it aside: {aside}"
        )


def restore(folder: Path, expected: FileSum) -> None:
    """Put the database's file in its place, in one step. Raises `BackupRefused` and leaves nothing there otherwise."""
    target = _file()
    unfinished = target.with_name(f".{target.name}.restoring")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished.unlink(missing_ok=True)
        shutil.copyfile(folder / FILE, unfinished)
        settled(unfinished)
        if sum_of(unfinished) != expected:
            raise BackupRefused(f"{folder / FILE} was changed while it was being restored. Nothing was restored.")
        os.link(unfinished, target)  # which never takes the place of a file that came to be there meanwhile
        unfinished.unlink()
        settled(target)
    except OSError as error:
        raise BackupRefused(f"{target} can't be restored: {error}") from None


def _file() -> Path:
    return Path(str(connection.settings_dict["NAME"])).absolute()


def _uri(file: Path, how: str) -> str:
    return f"file:{quote(str(file.absolute()))}?mode={how}"


def _processes_with(target: Path) -> list[int]:
    """Return the processes that have the file open, or had when it was removed, as far as this user can see them."""
    names = {f"{target.resolve()}{ending}{gone}" for ending in _BESIDE for gone in ("", " (deleted)")}
    found: set[int] = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            opened = {str(link.readlink()) for link in (process / "fd").iterdir()}
        except OSError:
            continue
        if opened & names and process.name != str(os.getpid()):
            found.add(int(process.name))
    return sorted(found)
