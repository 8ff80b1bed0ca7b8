"""A portal's database and checkpoints on their own, driven by commands in processes of their own."""

import os
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
from django.conf import settings

from tests.upgrade import SIGNED_BY

ROOT = Path(__file__).resolve().parents[2]
UPGRADE = ROOT / "tests/upgrade"
SQLITE = settings.DATABASES["default"]["ENGINE"].endswith("sqlite3")


class Place:
    """Where a portal could be: `url` of its database, `checkpoints` its directory, `file` where SQLite's would be."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.checkpoints, self.file = folder / "checkpoints", folder / "portal.sqlite3"

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "DATABASE_URL": self.url,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "PORTAL_CHECKPOINT_DIR": str(self.checkpoints),
            "PORTAL_AUDIT_OLD_VERIFIER_KEYS": SIGNED_BY,
        }

    def start(self, *arguments: str, **more: str) -> "subprocess.Popen[str]":
        """Start Python in the checkout, with this portal's environment."""
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={**self.environment, **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **more: str) -> str:
        """Run a management command and return what it printed. It must succeed."""
        process = self.start("manage.py", *arguments, **more)
        out, err = process.communicate()
        assert process.returncode == 0, err
        return out

    def refused(self, *arguments: str, **more: str) -> str:
        """Run a management command that must fail in plain words; return them."""
        process = self.start("manage.py", *arguments, **more)
        _, err = process.communicate()
        assert process.returncode == 1, err
        assert "Traceback" not in err
        return err

    def append(self, count: int, *, sign: bool = False) -> None:
        """Let the ledger grow, then sign it."""
        code = f"import django; django.setup(); from tests.audit.tampering import fill; fill({count})"
        code += "; from keys_app.audit.merkle import checkpoints; checkpoints.sign()" * sign
        assert self.start("-c", code).wait() == 0

    def rows(self, statement: str) -> list[tuple[object, ...]]:
        """Return what a statement finds, past the portal."""
        connect = sqlite3.connect(self.file) if SQLITE else psycopg.connect(self.url)
        with closing(connect) as database:
            return database.execute(statement).fetchall()  # type: ignore[attr-defined,no-any-return]

    @property
    def events(self) -> int:
        return int(str(self.rows("SELECT count(*) FROM audit_auditevent")[0][0]))


@contextmanager
def empty_place(folder: Path) -> Iterator[Place]:
    """A place with no database file, or an empty database."""
    folder.mkdir(parents=True, exist_ok=True)
    if SQLITE:
        yield Place(folder, f"sqlite:///{folder}/portal.sqlite3")
        return
    name = f"key_portal_backup_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
        try:
            yield Place(folder, os.environ["DATABASE_URL"].rpartition("/")[0] + "/" + name)
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type]


def fill_with_0_9_0(place: Place) -> None:
    """Lay down a portal of 0.9.0, with keys and a ledger."""
    if SQLITE:
        with closing(sqlite3.connect(place.file)) as database:
            database.executescript((UPGRADE / "sqlite.sql").read_text())
        return
    with psycopg.connect(place.url) as database:
        database.execute((UPGRADE / "postgresql.sql").read_bytes())
