"""A database of 0.9.0, with keys, requests, events and a checkpoint, is brought up to date, and its ledger is sound."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from django.db import connection

from tests.upgrade import SIGNED_BY
from tests.upgrade.test_migrations_lint import ROOT, TRIGGERS

HERE = Path(__file__).resolve().parent


@pytest.fixture
def url(tmp_path) -> Iterator[str]:
    """Return the address of a database of its own, of the kind the tests run on, that holds the dump."""
    if connection.vendor == "sqlite":
        with closing(sqlite3.connect(tmp_path / "portal.sqlite3")) as database:
            database.executescript((HERE / "sqlite.sql").read_text())
        yield f"sqlite:///{tmp_path}/portal.sqlite3"
        return
    name = f"key_portal_upgrade_{os.getpid()}"
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
        new = os.environ["DATABASE_URL"].rpartition("/")[0] + "/" + name
        with psycopg.connect(new) as database:
            database.execute((HERE / "postgresql.sql").read_bytes())
        yield new
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type]


@pytest.fixture
def manage(url, tmp_path):
    """Return what runs a management command there, and gives what it said."""
    environment = {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    environment["PORTAL_CHECKPOINT_DIR"] = str(tmp_path / "checkpoints")
    environment["PORTAL_AUDIT_OLD_VERIFIER_KEYS"] = SIGNED_BY

    def run(*arguments: str) -> str:
        command = [sys.executable, "manage.py", *arguments]
        answer = subprocess.run(
            command,
            check=False,
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert answer.returncode == 0, answer.stderr
        return answer.stdout

    return run


def rows(url: str, statement: str) -> list[str]:
    connect = sqlite3.connect(url.removeprefix("sqlite:///")) if url.startswith("sqlite") else psycopg.connect(url)
    with closing(connect) as database:
        return sorted(row[0] for row in database.execute(statement).fetchall())  # type: ignore[attr-defined]


def states(url: str, table: str) -> list[str]:
    return rows(url, f"SELECT state FROM {table}")


def test_a_database_of_0_9_0_is_migrated_and_its_ledger_is_sound(db, url, manage):
    kept = {table: states(url, table) for table in ("keys_app_apikey", "keys_app_keyrequest")}
    assert kept["keys_app_apikey"].count("active") == 4 and "revoked" in kept["keys_app_apikey"]
    assert set(kept["keys_app_keyrequest"]) == {"pending", "approved", "issued", "rejected", "cancelled"}
    manage("migrate", "-v0")
    assert manage("migrate", "--check") == ""
    assert {table: states(url, table) for table in kept} == kept
    with connection.cursor() as cursor:
        cursor.execute(TRIGGERS[connection.vendor])
        assert rows(url, TRIGGERS[connection.vendor]) == sorted(name for (name,) in cursor.fetchall())
    said = manage("audit_verify", "--search", "--rows", "--processes", "1")
    assert "Sound: " in said and " 1 checkpoints held against them." in said, said
    assert "The search finds each of them" in said
    assert "The requests, approvals and keys are what the events say." in said
    manage("audit_checkpoint")  # which has to extend the one of then


def test_a_changed_event_would_not_pass(db, url, manage):
    """What the test above rests on: the verifier sees one letter."""
    table, drop = "audit_auditevent", "DROP TRIGGER audit_no_update"
    statements = [f"UPDATE {table} SET canonical = REPLACE(canonical, 'Engineer', 'engineer') WHERE sequence = 3"]
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database:
            database.executescript(";".join([drop, *statements]))
    else:
        with psycopg.connect(url) as server:
            server.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER; {statements[0]}")  # type: ignore[arg-type]
    with pytest.raises(AssertionError, match=r"NOT SOUND\. First bad event: 3"):
        manage("audit_verify", "--processes", "1")
