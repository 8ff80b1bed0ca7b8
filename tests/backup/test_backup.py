"""A backup is of one moment, verifies, and is complete only with its manifest."""

import json
import os
import signal
import stat

import pytest

from keys_app import __version__

from .place import SQLITE
from .pooler import pooled

DATABASE = "database.sqlite3" if SQLITE else "database.dump"
WRITER = """
import itertools, django; django.setup()
from tests.audit.tampering import fill
from keys_app.audit.merkle import checkpoints
for _ in itertools.count():
    fill(1); checkpoints.sign()
    if not _: print("writing", flush=True)
"""
KILLED = """
import os, signal, django; django.setup()
from django.core.management import call_command
from keys_app.backup.manifest import Manifest
Manifest.write = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
call_command("backup", {folder!r})
"""


def test_it_says_what_it_took_and_what_is_not_in_it(portal, tmp_path):
    said = portal.run("backup", str(tmp_path / "new"))
    assert f"version {__version__}, {portal.events} events, verified; the newest checkpoint is of" in said
    assert "Not in it: the keys of the environment (PORTAL_SECRET_KEY, PORTAL_ENCRYPTION_KEYS," in said


def test_its_manifest_names_everything(portal, taken):
    manifest = json.loads((taken / "manifest.json").read_text())
    assert manifest["version"] == __version__
    assert manifest["database"] == ("sqlite" if SQLITE else "postgresql")
    assert manifest["client"].startswith("SQLite 3." if SQLITE else "pg_dump (PostgreSQL) ")
    assert "keys_app.0004_incarnation" in manifest["migrations"]
    files = {str(path.relative_to(taken)) for path in taken.rglob("*") if path.is_file()} - {"manifest.json"}
    assert set(manifest["files"]) == files
    assert {DATABASE, f"checkpoints/{manifest['checkpoint']}"} <= files
    assert manifest["files"][DATABASE]["bytes"] == (taken / DATABASE).stat().st_size


def test_nobody_else_can_read_it(taken):
    modes = {path.is_dir(): stat.S_IMODE(path.stat().st_mode) for path in [taken, *taken.rglob("*")]}
    assert modes == {True: 0o700, False: 0o600}


def test_no_secret_of_the_environment_is_in_it(portal, taken):
    for path in taken.rglob("*"):
        if path.is_file():
            for name in ("PORTAL_SECRET_KEY", "PORTAL_ENCRYPTION_KEYS", "PORTAL_AUDIT_SIGNING_KEY"):
                assert os.environ[name].encode() not in path.read_bytes()


def test_the_mark_stays_out_and_breaches_not_yet_entered_come_along(portal, tmp_path):
    (portal.checkpoints / "mark").write_text("{}")
    (portal.checkpoints / "breach-ABC").write_text("{}")
    try:
        portal.run("backup", str(tmp_path / "new"))
    finally:
        (portal.checkpoints / "mark").unlink()
        (portal.checkpoints / "breach-ABC").unlink()
    names = {path.name for path in (tmp_path / "new/checkpoints").iterdir()}
    assert "breach-ABC" in names
    assert "mark" not in names


def test_every_copy_verifies_while_the_portal_writes_and_signs(portal, new_place, tmp_path):
    """A checkpoint that is signed between the two copies must not be ahead of the copied ledger."""
    writer = portal.start("-c", WRITER)
    try:
        assert writer.stdout.readline() == "writing\n"
        folders = [tmp_path / name for name in ("one", "two", "three")]
        for folder in folders:
            portal.run("backup", str(folder))
    finally:
        writer.kill()
        writer.communicate()
    sizes = [json.loads((folder / "manifest.json").read_text())["events"] for folder in folders]
    assert sizes == sorted(set(sizes))
    place = new_place()
    place.run("restore", str(folders[-1]))
    assert place.events == sizes[-1]


def test_a_directory_that_is_not_empty_is_refused(portal, tmp_path):
    (tmp_path / "file").write_text("kept")
    assert f"{tmp_path} is not empty" in portal.refused("backup", str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert "can't be used" in portal.refused("backup", str(tmp_path / "file"))
    (tmp_path / "empty").mkdir()
    portal.run("backup", str(tmp_path / "empty"))


def test_a_kill_leaves_no_manifest_and_restore_refuses_that(portal, new_place, tmp_path):
    folder = tmp_path / "killed"
    assert portal.start("-c", KILLED.format(folder=str(folder))).wait() == -signal.SIGKILL
    assert (folder / DATABASE).exists()
    assert "has no manifest, so the backup in it was not finished" in new_place().refused("restore", str(folder))
    assert "is not empty" in portal.refused("backup", str(folder))


def test_a_ledger_that_does_not_verify_gives_no_backup(portal, tmp_path):
    ahead = portal.checkpoints / "99999"
    ahead.write_text("signed by nobody")
    try:
        assert "does not verify, so it is no backup" in portal.refused("backup", str(tmp_path / "new"))
    finally:
        ahead.unlink()
    assert not (tmp_path / "new/manifest.json").exists()


@pytest.mark.skipif(not SQLITE, reason="A file that is not there, on SQLite.")
def test_a_database_that_is_not_there_is_not_made(new_place, tmp_path):
    place = new_place()
    assert "There is no database at" in place.refused("backup", str(tmp_path / "new"))
    assert not place.file.exists()


@pytest.mark.skipif(SQLITE, reason="PostgreSQL's programs, on PostgreSQL.")
def test_a_client_program_that_is_missing_or_too_old_is_named(portal, taken, new_place, tmp_path):
    programs = tmp_path / "bin"
    programs.mkdir()
    missing = portal.refused("backup", str(tmp_path / "one"), PATH=str(programs))
    assert "The program pg_dump is missing. Install the package postgresql-client" in missing
    for name in ("pg_dump", "pg_restore"):
        (programs / name).write_text(f'#!/bin/sh\necho "{name} (PostgreSQL) 9.6.24"\n')
        (programs / name).chmod(0o755)
    assert "9.6.24 is older than the server" in portal.refused("backup", str(tmp_path / "two"), PATH=str(programs))
    place = new_place()
    assert "9.6.24 is older than the pg_dump" in place.refused("restore", str(taken), PATH=str(programs))
    assert place.rows("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


@pytest.mark.skipif(SQLITE, reason="A password, on PostgreSQL.")
def test_the_password_is_in_no_argument(portal, tmp_path):
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "pg_dump").write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/arguments\n'
        f'[ "$PGPASSWORD" = pass-word ] && echo given >> {tmp_path}/given\n'
        'echo "pg_dump (PostgreSQL) 99.1"\n'
    )
    (programs / "pg_dump").chmod(0o755)
    url = portal.url.replace("postgres@", "postgres:pass-word@").replace("postgres:postgres:", "postgres:")
    portal.refused("backup", str(tmp_path / "new"), PATH=f"{programs}:{os.environ['PATH']}", DATABASE_URL=url)
    arguments = (tmp_path / "arguments").read_text()
    assert "--format=custom" in arguments
    assert "pass-word" not in arguments
    assert (tmp_path / "given").read_text().startswith("given")


@pytest.mark.skipif(SQLITE, reason="A connection pooler, on PostgreSQL.")
def test_no_pooler_gets_the_session_of_postgresqls_programs(portal, taken, tmp_path, new_place):
    """PgBouncer would give that session, without a search path, to the portal: its tables were not found any more."""
    with pooled(portal.url) as url:
        assert "A connection pooler" in portal.refused("backup", str(tmp_path / "new"), DATABASE_URL=url)
        assert portal.run("audit_verify", DATABASE_URL=url)
    place = new_place()
    with pooled(place.url) as url:
        assert "A connection pooler" in place.refused("restore", str(taken), DATABASE_URL=url)
    place.run("restore", str(taken))
