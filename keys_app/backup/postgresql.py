"""Copies and restores a PostgreSQL database with its own programs, pg_dump and pg_restore."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import DatabaseError, connection, transaction

from .folder import BackupRefused, settled
from .other_database import default_database

FILE = "database.dump"
_OPTIONS = {
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "passfile": "PGPASSFILE",
    "service": "PGSERVICE",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "options": "PGOPTIONS",
}
_HANDED_ON = ("PATH", "HOME", "LANG", "LC_", "PG", "TZ")
"""How the names of variables begin that PostgreSQL's programs are handed."""
_TABLES = """
    SELECT count(*) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname <> 'information_schema' AND nspname !~ '^pg_' AND relkind IN ('r', 'p', 'v', 'm', 'S')
"""
_SESSIONS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


@contextmanager
def copy(folder: Path) -> Iterator[str]:
    """Dump the database as it is at one moment, then let the default connection read that same moment.

    The dump is made of the snapshot of this transaction, so what is read while this lasts is what the dump holds,
    whatever the portal writes meanwhile. Yields the program that wrote it.
    """
    program = _program("pg_dump", at_least=_server(), of="the server")
    _refuse_pooler()
    with default_database(), transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute("SELECT pg_export_snapshot()")
            snapshot = cursor.fetchone()[0]
        target = folder / FILE
        _run("pg_dump", "--format=custom", f"--snapshot={snapshot}", f"--file={target}")
        _run("pg_restore", "--list", f"--file={os.devnull}", str(target))  # it reads its own table of contents
        settled(target)
        yield program


def refuse_target() -> None:
    """Raise `BackupRefused` unless the database is there, has no tables, and nobody else is connected to it."""
    try:
        _refuse_pooler()
        with default_database(), connection.cursor() as cursor:
            cursor.execute(_SESSIONS)
            sessions = cursor.fetchone()[0]
            cursor.execute(_TABLES)
            tables = cursor.fetchone()[0]
    except DatabaseError as error:
        raise BackupRefused(
            f"The database {_name()} can't be reached: {str(error).strip()}. Make an empty one with createdb."
        ) from None
    if sessions:
        raise BackupRefused(
            f"The database {_name()} is open in {sessions} other session{'s' * (sessions > 1)}. Stop every process of "
            "the portal, and whatever else is connected, first."
        )
    if tables:
        raise BackupRefused(
            f"The database {_name()} is not empty, and nothing is restored over a database. Make a new one with "
            "createdb and name that one in DATABASE_URL."
        )


def restore(folder: Path, written_by: str) -> None:
    """Fill the empty database in one transaction. Raises `BackupRefused` and leaves it empty otherwise."""
    _program("pg_restore", at_least=_major(written_by), of="the pg_dump that wrote the backup")
    _run(
        "pg_restore", "--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges",
        f"--dbname={_name()}", str(folder / FILE),
    )  # fmt: skip


def _refuse_pooler() -> None:
    """Raise `BackupRefused` where a connection pooler stands between.

    PostgreSQL's programs empty the search path of their session, which a pooler like PgBouncer in transaction mode then
    hands to the portal. A server tells its own process number as the connection begins; a pooler tells another.
    """
    with default_database(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        is_its_own = cursor.fetchone() == (cursor.connection.info.backend_pid,)
    if not is_its_own:
        raise BackupRefused(
            "A connection pooler, such as PgBouncer, stands before the database. It would hand on to the portal what "
            "pg_dump and pg_restore set. Give this command DATABASE_URL with the address of the server itself."
        )


def _name() -> str:
    return str(connection.settings_dict["NAME"])


def _server() -> int:
    """Return the server's major version. Raises `BackupRefused` if it does not answer."""
    try:
        with default_database(), connection.cursor() as cursor:
            cursor.execute("SHOW server_version_num")
            return int(cursor.fetchone()[0]) // 10_000
    except DatabaseError as error:
        raise BackupRefused(f"The database {_name()} can't be reached: {str(error).strip()}") from None


def _program(name: str, *, at_least: int, of: str) -> str:
    """Return a program's name and version. Raises `BackupRefused` if it is missing, or older than it has to be."""
    found = _run(name, "--version").strip()
    if _major(found) < at_least:
        raise BackupRefused(
            f"{found} is older than {of}, which is of version {at_least}. Install the package postgresql-client of "
            f"version {at_least} or later, and put its {name} first in PATH."
        )
    return found


def _major(version: str) -> int:
    """Return 15 for “pg_dump (PostgreSQL) 15.20 (Debian …)”."""
    found = re.search(r"\) (\d+)", version)
    return int(found[1]) if found else 0


def _run(name: str, *arguments: str) -> str:
    """Run one of PostgreSQL's programs against the portal's database and return what it printed.

    How to connect, the password with it, goes by the environment, which other users can't read; arguments they can.
    """
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program, and paths that the operator gave
            [name, *arguments],
            env=_environment(),
            umask=0o077,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise BackupRefused(
            f"The program {name} is missing. Install the package postgresql-client, of the server's version or later."
        ) from None
    except OSError as error:
        raise BackupRefused(f"{name} can't be run: {error}") from None
    if done.returncode:
        raise BackupRefused(f"{name} failed: {done.stderr.strip() or f'exit status {done.returncode}'}")
    return done.stdout


def _environment() -> dict[str, str]:
    """Return how PostgreSQL's programs connect, as `DATABASE_URL` says, and none of the portal's own secrets."""
    handed_on = {name: value for name, value in os.environ.items() if name.startswith(_HANDED_ON)}
    settings = connection.settings_dict
    values = {
        "PGHOST": settings["HOST"],
        "PGPORT": settings["PORT"],
        "PGUSER": settings["USER"],
        "PGPASSWORD": settings["PASSWORD"],
        "PGDATABASE": settings["NAME"],
        **{variable: settings["OPTIONS"].get(option) for option, variable in _OPTIONS.items()},
    }
    return handed_on | {name: str(value) for name, value in values.items() if value}
