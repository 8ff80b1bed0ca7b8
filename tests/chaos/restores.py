"""A backup is made at a point of an action, the action and others go on, and later the backup is restored in place.

The portal is killed, the database set back, the portal started, and the reconciler runs, with every wait that is
counted in days over. Then a person reviews what is held, and says of each key found whether to keep or delete it.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path

from . import backups, safety
from .compare import Difference
from .figures import Figures
from .pristine import begin_anew, close_connections, lose_mark, pristine_cases
from .scenes import LATER, Before, Scene, let_time_pass
from .settling import reconcile
from .world import World

RUNS = 4
"""How often the reconciler runs after a restore, and at most after the review."""

UNDER_WAY_SECONDS = 1.8
"""How long an open attempt keeps the reconciler waiting: until nobody can wait for Twilio's answer any more."""

PAUSE_SECONDS = 0.1
TIMES, TIMES_ENDING = 3, 4
"""How often there is a backup at each point, each restored in another way and with other work in between."""

WITHOUT_MARK = 5
"""In one case of so many, what the portal writes outside its database is lost as well."""

ENVIRONMENT = {
    # A dump takes longer than a call to Twilio may in the other parts.
    "PORTAL_TWILIO_READ_TIMEOUT": "1.2",
    "PORTAL_TWILIO_DEADLINE": "1.4",
    "PORTAL_RECONCILE_GRACE": "0",
    "PORTAL_RECONCILE_LOOK_EVERY": "0",
}

QUICK = (
    ("issue", "POST.before"),
    ("rotate with an overlap", "tx2.in"),
    ("hand over", "arrived"),
    ("revoke", "rendered"),
)
"""The cases of a quick run."""


@dataclass(frozen=True)
class Restore:
    """How a database is set back: one of `backups.ways`, and whether the files outside it are still there."""

    way: str
    has_mark: bool = True


def run_restores(world: World, what: str, scenes: Sequence[Scene], times: int, *, quick: bool = False) -> Figures:
    """Go `times` times through the scenes, each with a backup at each of its points, and return what was found."""
    figures = Figures(what)
    with pristine_cases(world) as before:
        laters, ways = cycle(LATER), cycle(backups.ways())
        for number, (scene, point) in enumerate(_cases(scenes, times, quick), 1):
            begin_anew(world)
            restore = Restore(next(ways), has_mark=bool(number % WITHOUT_MARK))
            _run_case(world, before, scene, point, next(laters), restore, figures)
    figures.leaks += world.leaks()
    return figures


def _cases(scenes: Sequence[Scene], times: int, quick: bool) -> Iterator[tuple[Scene, str]]:
    for number in range(times):
        for scene in scenes:
            for point in scene.points[:: (1, -1)[number % 2]]:
                if not quick or (scene.name, point) in QUICK:
                    yield scene, point


def _run_case(
    world: World, before: Before, scene: Scene, point: str, later: str, how: Restore, figures: Figures
) -> None:  # fmt: skip
    subject = scene.prepare(world, before)
    Path(os.environ[backups.BACKUP_FILE]).unlink(missing_ok=True)
    world.order(scene.verb, point, "back up")
    scene.act(world, subject)
    was_there = world.was_carried_out()
    world.withdraw_order()
    difference = Difference()
    if was_there:
        LATER[later](world, before)
        difference = restore_and_review(world, how)
        figures.restores += 1
    figures.kills += was_there  # the portal, when it is set back
    figures.add_case(f"{scene.name}: {point}", later, was_there, difference, kills=0)


def restore_and_review(world: World, how: Restore) -> Difference:
    """Set the database back, and return what is wrong before and after a person has looked at it."""
    set_back = safety.moment(world)
    world.portal.kill()
    close_connections()
    backups.restore(how.way)
    lost = set_back.ledger_size - safety.ledger_size()
    if not how.has_mark:
        lose_mark(world)
        lost = 0  # nothing shows it but the keys found
    if lost:
        let_time_pass()
    close_connections()
    world.portal.start()
    found = reconcile_until_quiet(world, replace(set_back, lost=lost))
    if not found and safety.is_held():
        return review(world)
    return found


def reconcile_until_quiet(world: World, set_back: safety.Moment) -> Difference:
    """Run the reconciler until nothing is under way, and return what is wrong then."""
    if safety.waiting():
        reconcile(world)
        time.sleep(UNDER_WAY_SECONDS)
    for _ in range(RUNS):
        reconcile(world)
        time.sleep(PAUSE_SECONDS)
    return safety.while_held(world, set_back)


def restore_case(make: Callable[[World, Before], object], way: int = 1) -> Callable[[World, Before], Difference]:
    """Return a case: do something, back up unless that did, restore in one of the ways, and review."""

    def case(world: World, before: Before) -> Difference:
        Path(os.environ[backups.BACKUP_FILE]).unlink(missing_ok=True)
        make(world, before)
        if not Path(os.environ[backups.BACKUP_FILE]).exists():
            backups.take()
        return restore_and_review(world, Restore(backups.ways()[way]))

    return case


def before_another(world: World, before: Before) -> None:
    """Make the backup, then issue a key."""
    backups.take()
    LATER["another issue"](world, before)


def during_issue(world: World, before: Before) -> None:
    """Make the backup while Twilio makes a key."""
    world.order("issue", "POST.before", "back up")
    world.issue(world.approved_request("backed up"))
    world.withdraw_order()


def unused_approval(world: World, before: Before) -> None:
    """Leave an approval unused."""
    world.approved_request("unused")
    before_another(world, before)


def undeleted_key(world: World, before: Before) -> None:
    """Replace a key that Twilio does not delete."""
    world.standin.fault("error_before", operation="delete", times=3)
    world.press_key(before.mine, "replace")
    world.standin.clear_faults()
    world.ended.discard(before.mine)  # until a person has looked
    before_another(world, before)


def review(world: World) -> Difference:
    """Keep each key found that is in use, delete the others, and end the hold."""
    in_use, doubtful = world.in_use(), safety.in_doubt()
    keep, delete = sorted(doubtful & in_use), sorted(doubtful - in_use)
    arguments = [f"--keep={sid}" for sid in keep] + [f"--delete={sid}" for sid in delete]
    status = reconcile(world, "--resume")
    reconcile(world, "--resume", *arguments, "--yes")
    for _ in range(RUNS):
        reconcile(world)
        if not (found := safety.when_reviewed(world, set(delete))):
            break
        time.sleep(PAUSE_SECONDS)
    found.unalarmed += [] if status == 3 else [f"--resume ended with {status} while something was held"]
    return found
