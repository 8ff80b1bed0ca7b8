"""Faults of the database, for the moment a transaction is about to be committed. They run in a portal process."""

import sqlite3
import threading

import psycopg
from django.db import connection

HELD_SECONDS = 1.5
PATIENCE_MS = 200


def end_session() -> None:
    """Let PostgreSQL end this thread's session, as a fail-over does."""
    connection.ensure_connection()
    pid = connection.connection.info.backend_pid
    values = connection.get_connection_params()
    known = {name: values[name] for name in ("dbname", "user", "password", "host", "port") if values.get(name)}
    with psycopg.connect(**known, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


def lock() -> None:
    """Let somebody else hold SQLite's write lock for longer than this thread now waits for it."""
    connection.cursor().execute(f"PRAGMA busy_timeout = {PATIENCE_MS}")
    locked = threading.Event()
    threading.Thread(target=_hold, args=(str(connection.settings_dict["NAME"]), locked), daemon=True).start()
    locked.wait(10)


def _hold(path: str, locked: threading.Event) -> None:
    other = sqlite3.connect(path, isolation_level=None, timeout=10)
    other.execute("BEGIN IMMEDIATE")
    locked.set()
    threading.Event().wait(HELD_SECONDS)
    other.execute("ROLLBACK")
    other.close()
