"""A portal of which there is a backup, and places to restore it to."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from .place import SQLITE, Place, empty_place, fill_with_0_9_0


@pytest.fixture(scope="package", autouse=True)
def _without_a_pooler() -> None:
    """Leave these out where the tests' own database is behind one: there is no backup through it."""
    if not SQLITE:
        with psycopg.connect(os.environ["DATABASE_URL"]) as server:
            if server.execute("SELECT pg_backend_pid()").fetchone() != (server.info.backend_pid,):
                pytest.skip("backups, as a connection pooler stands before the database")


@pytest.fixture(scope="package")
def portal(tmp_path_factory) -> Iterator[Place]:
    """A portal of this version, its ledger signed. Tests only let it grow."""
    with empty_place(tmp_path_factory.mktemp("portal")) as place:
        fill_with_0_9_0(place)
        place.run("migrate", "-v0")
        place.run("audit_checkpoint")
        yield place


@pytest.fixture(scope="package")
def taken(portal: Place, tmp_path_factory) -> Path:
    """A backup of it."""
    folder = tmp_path_factory.mktemp("backups") / "monday"
    portal.run("backup", str(folder))
    return folder


@pytest.fixture
def own_copy(taken: Path, tmp_path: Path) -> Path:
    """That backup, for a test that changes it."""
    return shutil.copytree(taken, tmp_path / "copy")


@pytest.fixture
def new_place(tmp_path: Path) -> Iterator[Callable[[], Place]]:
    """Return what makes another empty place."""
    with ExitStack() as stack:
        made: list[Place] = []

        def make() -> Place:
            made.append(stack.enter_context(empty_place(tmp_path / f"place-{len(made)}")))
            return made[-1]

        yield make
