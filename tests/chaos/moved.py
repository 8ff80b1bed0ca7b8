"""The database is moved to another place at rest, with nothing lost. That is no hold, but an incarnation of its own."""

import os
from pathlib import Path

from . import backups, safety
from .buttons import new_request
from .compare import Difference
from .pristine import Case, close_connections
from .restores import reconcile_until_quiet
from .scenes import Before
from .world import World


def _open_attempt(world: World, before: Before) -> Difference:
    """Move it while an attempt is open whose key nobody has: it stands before a person, who alone may delete it."""
    request_id = new_request(world, "moved")
    world.order("issue", "POST.sent", "kill all")
    world.issue(request_id)
    world.withdraw_order()
    return _move(world)


def _at_rest(world: World, before: Before) -> Difference:
    return _move(world)


def _move(world: World) -> Difference:
    """Move the database to where its identifiers are others, and return what is wrong then."""
    set_back = safety.moment(world)
    world.portal.kill()
    close_connections()
    Path(os.environ[backups.BACKUP_FILE]).unlink(missing_ok=True)
    backups.take()
    backups.restore(backups.ways()[0])
    world.portal.start()
    found = reconcile_until_quiet(world, set_back)
    if safety.is_held():
        found.unaccounted.append("a database that was only moved is held")
    deleted = set_back.existing - safety.existing(world.standin.truth()["keys"]) - world.ended
    found.unaccounted += [f"{sid} was deleted on the word of another place's attempt" for sid in sorted(deleted)]
    return found


CASES: dict[str, Case] = {"an open attempt": _open_attempt, "at rest": _at_rest}
