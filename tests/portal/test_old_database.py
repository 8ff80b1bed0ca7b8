"""A database that other migrations made: `migrate` refuses it in plain words, and the demo sets its own aside."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.checks import Tags, run_checks
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from keys_app import __version__
from portal.old_database import NotMoved, set_aside
from portal.schema import made_by_others

ROOT = Path(__file__).resolve().parents[2]
OURS = [name for name in MigrationLoader(None).disk_migrations if name[0] in ("keys_app", "audit")]
OTHER = ("keys_app", "0002_of_another_time")
OLD = [OURS[0], OTHER, ("auth", "0001_initial")]
STANDIN, REAL = "AC" + "0" * 32, "AC" + "1" * 32
FOLDER = f"old-{datetime.now(UTC):%Y-%m-%d}"


@pytest.mark.parametrize(
    ("applied", "others"),
    [
        ([], False),
        ([("auth", "0001_initial")], False),
        (OURS, False),
        (OURS[:1], False),  # of an earlier version
        ([*OURS, OTHER], False),  # of a later version
        (OLD, True),
        ([OTHER], True),
    ],
)
def test_it_is_told_by_what_it_has_and_what_it_lacks(applied, others):
    assert made_by_others(applied) is others


def old_database(path: Path, accounts=(STANDIN,)) -> Path:
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE django_migrations (id integer PRIMARY KEY, app text, name text, applied text)")
        rows = [(app, name, "2026-11-24 03:36:00") for app, name in OLD]
        database.executemany("INSERT INTO django_migrations (app, name, applied) VALUES (?, ?, ?)", rows)
        database.execute("CREATE TABLE keys_app_account (sid text PRIMARY KEY)")
        database.executemany("INSERT INTO keys_app_account (sid) VALUES (?)", [(sid,) for sid in accounts])
        database.commit()
    return path


def test_migrate_says_what_is_wrong_and_changes_nothing(tmp_path):
    path = old_database(tmp_path / "portal.sqlite3")
    (tmp_path / "checkpoints").mkdir()
    before = path.read_bytes()
    answer = subprocess.run(
        [sys.executable, "manage.py", "migrate"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": f"sqlite:///{path}", "PORTAL_CHECKPOINT_DIR": str(tmp_path / "checkpoints")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 1
    assert f"made by other migrations than those of version {__version__}" in answer.stderr
    assert f": mv -n {tmp_path}/checkpoints {tmp_path}/checkpoints-old && mv -n {path} {path}-old\n" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert path.read_bytes() == before


def test_the_check_looks_at_the_database_that_is_migrated(db, settings):
    def found():
        return [error for error in run_checks(tags=[Tags.database], databases=["default"]) if error.id == "portal.E001"]

    assert found() == []
    recorder = MigrationRecorder(connection)
    recorder.record_unapplied(*OURS[-1])
    assert found() == []
    recorder.record_applied(*OTHER)
    (error,) = found()
    assert str(settings.CHECKPOINT_DIR) not in error.hint  # there is none yet
    assert ("createdb " in error.hint) == (connection.vendor == "postgresql")


@pytest.fixture
def var(tmp_path):
    """What the demo keeps, with an old database."""
    old_database(tmp_path / "demo.sqlite3")
    for folder in ("checkpoints", "mail"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1").write_text(folder)
    (tmp_path / "twilio_standin.json").write_text("{}")
    (tmp_path / "demo.json").write_text(json.dumps({"PORTAL_DEMO_PASSWORD": "kept"}))
    return tmp_path


MOVED = ["checkpoints", "demo.sqlite3", "mail", "twilio_standin.json"]


def start(var, standin=STANDIN):
    belongings = [var / "checkpoints", var / "twilio_standin.json", var / "mail", var / "never-made"]
    return set_aside(f"sqlite:///{var}/demo.sqlite3", belongings=belongings, var=var, standin_account=standin)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_demo_moves_it_with_what_belongs_to_it(var):
    assert start(var) == var / FOLDER
    assert names(var) == ["demo.json", FOLDER]
    assert names(var / FOLDER) == MOVED
    assert (var / FOLDER / "checkpoints" / "1").read_text() == "checkpoints"
    assert start(var) is None


def test_it_overwrites_no_earlier_one(var):
    for earlier in (FOLDER, f"{FOLDER}-2"):
        (var / earlier).mkdir()
        (var / earlier / "demo.sqlite3").write_text("earlier")
    assert start(var) == var / f"{FOLDER}-3"
    assert names(var / f"{FOLDER}-3") == MOVED
    assert (var / FOLDER / "demo.sqlite3").read_text() == "earlier"


def test_it_moves_the_rest_after_being_killed_half_way(var, monkeypatch):
    """The database goes last: as long as it is there, the next start knows."""

    def killed(source, target, moved=[]):  # noqa: B006 (it counts)
        if len(moved) == 2:
            raise SystemExit
        moved.append(source)
        Path(source).rename(Path(target) / Path(source).name)

    with monkeypatch.context() as patch:
        patch.setattr("portal.old_database.shutil.move", killed)
        with pytest.raises(SystemExit):
            start(var)
    assert (var / "demo.sqlite3").exists()
    assert start(var) == var / f"{FOLDER}-2"
    assert sorted(names(var / FOLDER) + names(var / f"{FOLDER}-2")) == MOVED


@pytest.mark.parametrize(
    ("accounts", "standin"),
    [
        ([STANDIN], ""),  # started with a real endpoint
        ([REAL], STANDIN),  # made with one, or another portal's: DATABASE_URL was set for that
        ([STANDIN, REAL], STANDIN),
    ],
)
def test_where_keys_may_be_real_it_moves_nothing_and_says_what_to_run(accounts, standin, var):
    (var / "demo.sqlite3").unlink()
    old_database(var / "demo.sqlite3", accounts)
    before = names(var)
    with pytest.raises(NotMoved) as refused:
        start(var, standin)
    assert names(var) == before
    command = str(refused.value).partition("run: ")[2]
    subprocess.run(command, shell=True, check=True)
    assert names(var / FOLDER) == MOVED
    assert start(var, standin) is None


@pytest.mark.parametrize(
    "url",
    [
        "postgres://portal@127.0.0.1/portal",
        "postgres://portal:pass/word@host/portal",
        "sqlite:////nowhere/demo.sqlite3",
    ],
)
def test_it_leaves_others_alone(var, url):
    """A URL that can't be read too: the settings say so, without its password."""
    assert set_aside(url, belongings=[var / "mail"], var=var, standin_account=STANDIN) is None
    assert (var / "mail").exists()


def test_it_leaves_one_of_this_version_and_what_is_no_database_alone(var):
    with closing(sqlite3.connect(var / "demo.sqlite3")) as database:
        database.execute("DELETE FROM django_migrations WHERE name = ?", [OTHER[1]])
        database.commit()
    assert start(var) is None
    (var / "demo.sqlite3").write_text("no database")
    assert start(var) is None
