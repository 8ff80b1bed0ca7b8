"""A restore fills what is empty and closed, verifies, and says what comes next. It refuses everything else."""

import json
import os
import sqlite3
import stat
from contextlib import closing

import psycopg
import pytest

from .place import SQLITE, fill_with_0_9_0

TRIGGERS = (
    "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    if SQLITE
    else "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"
)
DATABASE = "database.sqlite3" if SQLITE else "database.dump"


def tables(place):
    return (
        []
        if SQLITE and not place.file.exists()
        else place.rows(
            "SELECT name FROM sqlite_master"
            if SQLITE
            else "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        )
    )


def edited(folder, **changes):
    """Change a backup's manifest."""
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def nothing_came(place):
    return not tables(place) and not place.checkpoints.exists()


def test_it_restores_what_was_backed_up_and_the_ledger_goes_on(portal, taken, new_place):
    place, manifest = new_place(), json.loads((taken / "manifest.json").read_text())
    said = place.run("restore", str(taken))
    assert f"of {manifest['taken_at']}, {manifest['events']} events, verified." in said
    assert "manage.py reconcile --resume" in said
    assert "manage.py migrate" not in said
    assert "audit_recover" not in said
    assert place.events == manifest["events"]
    assert {path.name for path in place.checkpoints.iterdir()} == {
        path.name for path in (taken / "checkpoints").iterdir()
    }
    assert f"Sound: {manifest['events']} events" in place.run("audit_verify", "--processes", "1")
    place.run("audit_checkpoint")
    assert sorted(place.rows(TRIGGERS)) == sorted(portal.rows(TRIGGERS))
    if SQLITE:
        assert stat.S_IMODE(place.file.stat().st_mode) == 0o600


def test_newer_checkpoints_and_the_mark_outside_stay(portal, taken, new_place):
    place = new_place()
    portal.append(3, sign=True)
    place.checkpoints.mkdir()
    (place.checkpoints / "mark").write_text("newer")
    newest = max((path.name for path in portal.checkpoints.iterdir() if path.name.isdecimal()), key=int)
    (place.checkpoints / newest).write_bytes((portal.checkpoints / newest).read_bytes())
    said = place.run("restore", str(taken))
    assert f"has a checkpoint of {newest} events, so this database is older than what was signed" in said
    assert "manage.py audit_recover --reason" in said
    assert (place.checkpoints / "mark").read_text() == "newer"
    assert (place.checkpoints / newest).exists()
    assert "has only" in place.refused("audit_checkpoint")


def test_a_checkpoint_of_another_ledger_outside_is_refused(taken, new_place):
    place, manifest = new_place(), json.loads((taken / "manifest.json").read_text())
    place.checkpoints.mkdir()
    (place.checkpoints / str(manifest["checkpoint"])).write_text("another")
    assert "is another checkpoint than the backup's" in place.refused("restore", str(taken))
    assert not tables(place)


@pytest.mark.parametrize("name", [DATABASE, "checkpoints"])
def test_a_backup_that_was_changed_is_refused(own_copy, new_place, name):
    place, path = new_place(), own_copy / name
    path = next(path.iterdir()) if path.is_dir() else path
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert f"{path} was changed after the backup was taken" in place.refused("restore", str(own_copy))
    path.unlink()
    assert f"{path} is missing from the backup" in place.refused("restore", str(own_copy))
    path.write_bytes(content)
    (own_copy / "checkpoints/7").write_text("added")
    assert "checkpoints/7 is not part of the backup" in place.refused("restore", str(own_copy))
    assert nothing_came(place)


def test_a_manifest_that_is_missing_or_unreadable_is_refused(own_copy, new_place):
    place = new_place()
    for text in ("", "[]", "{}", '{"format": 1, "files": {}}'):
        (own_copy / "manifest.json").write_text(text)
        assert "manifest.json can't be read" in place.refused("restore", str(own_copy))
    (own_copy / "manifest.json").write_text('{"format": 2}')
    assert "is of a later version of the portal" in place.refused("restore", str(own_copy))
    (own_copy / "manifest.json").unlink()
    assert "has no manifest" in place.refused("restore", str(own_copy))
    assert "has no manifest" in place.refused("restore", str(own_copy / "nowhere"))
    assert nothing_came(place)


def test_a_backup_of_a_later_version_is_refused(own_copy, new_place):
    place = new_place()
    manifest = json.loads((own_copy / "manifest.json").read_text())
    edited(own_copy, version="9.0", migrations=[*manifest["migrations"], "keys_app.0999_of_the_future"])
    assert "Restore it with version 9.0" in place.refused("restore", str(own_copy))
    assert nothing_came(place)


def test_a_backup_of_the_other_database_is_refused(own_copy, new_place):
    edited(own_copy, database="postgresql" if SQLITE else "sqlite")
    assert "and DATABASE_URL names" in new_place().refused("restore", str(own_copy))


def test_one_of_an_earlier_version_is_restored_and_migrate_is_named(new_place, tmp_path):
    old, place = new_place(), new_place()
    fill_with_0_9_0(old)
    old.run("backup", str(tmp_path / "old"))
    assert "of this version. Run: manage.py migrate" in place.run("restore", str(tmp_path / "old"))
    place.run("migrate", "-v0")
    assert "Sound:" in place.run("audit_verify", "--processes", "1")


def test_a_database_that_is_there_is_refused(portal, taken):
    before = portal.events
    said = portal.refused("restore", str(taken))
    assert ("must not be there" if SQLITE else "is not empty") in said
    assert portal.events == before


def test_an_open_database_is_refused(taken, new_place):
    place = new_place()
    opened = sqlite3.connect(place.file) if SQLITE else psycopg.connect(place.url)
    with closing(opened):
        said = place.refused("restore", str(taken))
        assert (f"is open in the process {os.getpid()}" if SQLITE else "is open in 1 other session") in said
        if SQLITE:
            place.file.unlink()  # which whoever has it open goes on writing into
            assert f"is open in the process {os.getpid()}" in place.refused("restore", str(taken))
    assert "verified" in place.run("restore", str(taken))


@pytest.mark.skipif(not SQLITE, reason="What SQLite keeps beside a database.")
@pytest.mark.parametrize("ending", ["-wal", "-shm", "-journal"])
def test_what_is_left_of_a_database_is_refused(taken, new_place, ending):
    place = new_place()
    left = place.file.with_name(place.file.name + ending)
    left.write_bytes(b"left")
    said = place.refused("restore", str(taken))
    assert f"mv -n {left} {left}-old" in said
    assert left.read_bytes() == b"left"
    assert not place.file.exists()


@pytest.mark.skipif(SQLITE, reason="A server's database, on PostgreSQL.")
def test_a_database_that_does_not_exist_is_named(taken, new_place):
    place = new_place()
    assert "can't be reached" in place.refused("restore", str(taken), DATABASE_URL=f"{place.url}_no")


def test_a_ledger_the_environment_can_not_verify_is_told(taken, new_place):
    place = new_place()
    said = place.refused("restore", str(taken), PORTAL_AUDIT_ORIGIN="other/audit")
    assert "The database was restored, but its ledger does not verify" in said
