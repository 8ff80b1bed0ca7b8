"""A ledger, or a database's file, whose end is cut off: each command says so in words, with its exit status."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from keys_app.audit.merkle import checkpoints

from .tampering import fill, sql

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = {
    "audit_verify": {"processes": 1},
    "audit_checkpoint": {},
    "audit_export": {},
    "audit_recover": {"reason": "x"},
    "audit_rebuild_search": {},
}


@pytest.mark.parametrize("left", [0, 1, 12, 15, 17])
def test_events_are_cut_off(db, tmp_path, left):
    fill(16)
    checkpoints.sign()
    fill(4)
    sql("DELETE FROM audit_auditevent WHERE sequence > %s", left)
    said = {}
    for command, options in COMMANDS.items():
        output = {"output": tmp_path / "export"} if command == "audit_export" else {}
        with (tmp_path / "out").open("w") as out:
            try:
                call_command(command, **options, **output, stdout=out)
            except CommandError as error:  # anything else would be a traceback
                said[command] = (error.returncode, str(error))
    assert said["audit_verify"][0] == 1
    assert said["audit_verify"][1].startswith(f"NOT SOUND. First bad event: {left + 1}. Event {left + 1} is missing")
    assert {status for status, _ in said.values()} == {1}


@pytest.mark.skipif(connection.vendor != "sqlite", reason="A database that is a file, on SQLite.")
@pytest.mark.parametrize("rest", [2, 3, 50])
def test_the_file_is_cut_off(tmp_path, rest):
    """As after a copy that broke off. Nothing is known of the ledger then: the exit status is 2."""
    file = tmp_path / "portal.sqlite3"
    with closing(sqlite3.connect(file)) as database:
        database.executescript((ROOT / "tests/upgrade/sqlite.sql").read_text())
    os.truncate(file, file.stat().st_size - file.stat().st_size // rest)
    environment = {**os.environ, "DATABASE_URL": f"sqlite:///{file}", "DJANGO_SETTINGS_MODULE": "tests.settings"}
    done = subprocess.run(
        [sys.executable, "manage.py", "audit_verify", "--processes", "1"],
        check=False, cwd=ROOT, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "Cannot check: the database can't be read" in done.stderr
