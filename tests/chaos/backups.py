"""Backups of what is committed at a moment, and putting them back in place while the portal is stopped.

`BACKUP_FILE` names the variable with the file that a portal process makes its backup in.
"""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg

BACKUP_FILE = "CHAOS_BACKUP"
DATABASE_SUFFIX = "_pristine"


def take() -> None:
    """Make a backup while the portal is at work. It holds what is committed, and nothing of what is not."""
    target = Path(os.environ[BACKUP_FILE])
    if is_postgresql():
        _run("pg_dump", "--format=custom", f"--file={target}", _url())
        return
    with closing(sqlite3.connect(file())) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)


def restore(way: str) -> None:
    """Put the last backup back in one of the ways that `ways` lists. Nobody may be connected."""
    source = Path(os.environ[BACKUP_FILE])
    WAYS[way](source)


def ways() -> list[str]:
    """Return the ways to restore that the database in use has."""
    return ["made anew", "cleaned"] if is_postgresql() else ["renamed", "copied over"]


def is_postgresql() -> bool:
    return _url().startswith("postgres")


def keep_pristine() -> None:
    """Keep the database as it is now, for `put_back_pristine`. Nobody may be connected."""
    if is_postgresql():
        _as_admin(f"CREATE DATABASE {_name()}{DATABASE_SUFFIX} TEMPLATE {_name()}")
        return
    with closing(sqlite3.connect(file())) as source, closing(sqlite3.connect(_pristine())) as copy:
        source.backup(copy)


def put_back_pristine() -> None:
    """Begin anew with the database that was kept."""
    if is_postgresql():
        _drop()
        _as_admin(f"CREATE DATABASE {_name()} TEMPLATE {_name()}{DATABASE_SUFFIX}")
        return
    _rename(_pristine())


def forget_pristine() -> None:
    """Drop what `keep_pristine` made on a server; a file goes with its folder."""
    if is_postgresql():
        _as_admin(f"DROP DATABASE IF EXISTS {_name()}{DATABASE_SUFFIX}")


def _rename(source: Path) -> None:
    """Put a copy beside the file and rename it over: another inode."""
    _forget_the_log()
    beside = file().with_suffix(".new")
    shutil.copyfile(source, beside)
    beside.replace(file())


def _copy_over(source: Path) -> None:
    """Write into the same file, as `cp` does: the same inode."""
    _forget_the_log()
    with file().open("r+b") as target:
        target.truncate(0)
        target.write(source.read_bytes())


def _forget_the_log() -> None:
    """Remove SQLite's own log of the file that is replaced; it would be read into the new one."""
    for suffix in ("-wal", "-shm"):
        Path(f"{file()}{suffix}").unlink(missing_ok=True)


def _make_anew(source: Path) -> None:
    _drop()
    _as_admin(f"CREATE DATABASE {_name()}")
    _run("pg_restore", "--exit-on-error", f"--dbname={_url()}", str(source))


def _clean(source: Path) -> None:
    """Restore into the same database: it keeps its name and its identifiers."""
    _run("pg_restore", "--exit-on-error", "--clean", "--if-exists", f"--dbname={_url()}", str(source))


WAYS: dict[str, Callable[[Path], None]] = {
    "renamed": _rename,
    "copied over": _copy_over,
    "made anew": _make_anew,
    "cleaned": _clean,
}


def _drop() -> None:
    _as_admin(f"DROP DATABASE {_name()} WITH (FORCE)")


def _as_admin(statement: str) -> None:
    with psycopg.connect(_url().rpartition("/")[0] + "/postgres", autocommit=True) as admin:
        admin.execute(statement)  # type: ignore[arg-type]


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stderr.strip()}")


def _url() -> str:
    return os.environ["DATABASE_URL"]


def _name() -> str:
    return _url().rpartition("/")[2]


def file() -> Path:
    return Path(_url().removeprefix("sqlite:///"))


def _pristine() -> Path:
    return file().with_suffix(".pristine")
