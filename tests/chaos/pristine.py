"""Cases that all begin with the same database, the same keys at the simulator and the same people who use them."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from . import backups
from .compare import Difference
from .figures import Figures
from .scenes import Before, begin
from .world import World

Case = Callable[[World, Before], Difference]
"""Does something, and returns what is wrong afterwards."""

ENVIRONMENT = {"PORTAL_RECONCILE_LOOK_EVERY": "0"}


def run_cases(world: World, what: str, cases: dict[str, Case]) -> Figures:
    """Go through cases, each from the same beginning, and return what was found."""
    figures = Figures(what)
    with pristine_cases(world) as before:
        for name, case in cases.items():
            begin_anew(world)
            figures.add_case("", name, was_killed=False, difference=case(world, before))
    figures.leaks += world.leaks()
    return figures


@contextmanager
def pristine_cases(world: World) -> Iterator[Before]:
    """Keep what each case begins with, at the simulator, in the database and in what people know."""
    os.environ[backups.BACKUP_FILE] = str(world.directory / "backup")
    before = begin(world)
    world.portal.kill()
    close_connections()
    backups.keep_pristine()
    world.standin.remember()
    world.remember()
    world.portal.start()
    try:
        yield before
    finally:
        world.portal.kill()
        close_connections()
        backups.forget_pristine()


def begin_anew(world: World) -> None:
    """Have everything as it was before the last case, and no file outside the database."""
    world.portal.kill()
    close_connections()
    backups.put_back_pristine()
    world.standin.recall()
    world.standin.clear_faults()
    world.recall()
    lose_mark(world)
    world.portal.start()


def lose_mark(world: World) -> None:
    """Remove what the portal keeps outside its database."""
    shutil.rmtree(world.checkpoints, ignore_errors=True)


def close_connections() -> None:
    """Let go of the database in this process."""
    from django.db import connections

    connections.close_all()
