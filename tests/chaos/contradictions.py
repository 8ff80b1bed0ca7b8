"""Twilio says one thing when it is asked for a key, and another when it lists the account's keys.

None of these may count as a deletion, and each has to be told to Security with the SID of the key.
"""

import time

from . import safety
from .compare import Difference
from .pristine import Case
from .scenes import Before
from .settling import reconcile
from .world import World

NO_SUCH_KEY = {"status": 404, "code": 20404, "message": "The requested resource was not found"}
OTHER_404 = {"status": 404, "code": 1, "message": "no such page"}
OFTEN = 1000
RUNS = 5
PAUSE_SECONDS = 0.4
UNLISTED_SECONDS = 3


def _fetch_404(answer: dict[str, object]) -> Case:
    """Let Twilio not have keys that it lists."""

    def case(world: World, before: Before) -> Difference:
        world.standin.fault("refuse", operation="fetch", times=OFTEN, **answer)
        _reconcile(world)
        return _told(world, before.mine)

    return case


def _delete_404(answer: dict[str, object]) -> Case:
    """Let Twilio say of a key that is to be deleted that it has none, and list it."""

    def case(world: World, before: Before) -> Difference:
        world.standin.fault("refuse", operation="delete", times=OFTEN, **answer)
        world.press_key(before.mine, "revoke", reason="A kill test.")
        found = safety.always(world)
        _reconcile(world)
        found = _merged(found, _told(world, before.mine))
        world.standin.clear_faults()
        _reconcile(world)
        if world.standin.key(before.mine):
            found.unaccounted.append(f"{before.mine} is never deleted")
        return found

    return case


def _gone_and_listed(world: World, before: Before) -> Difference:
    """Let Twilio not have a key that is to be deleted, nor list it, and list it again later."""
    world.standin.fault("refuse", operation="delete", times=OFTEN, **NO_SUCH_KEY)
    world.standin.change_key(before.mine, unlisted=UNLISTED_SECONDS)
    world.press_key(before.mine, "revoke", reason="A kill test.")
    reconcile(world)
    time.sleep(UNLISTED_SECONDS)
    _reconcile(world)
    return _told(world, before.mine)


def _vanished_and_listed(world: World, before: Before) -> Difference:
    """Let Twilio neither have nor list a key that somebody uses, and have it again later. It goes on working."""
    world.standin.change_key(before.mine, unlisted=UNLISTED_SECONDS)
    world.standin.fault("refuse", operation="fetch", times=OFTEN, **NO_SUCH_KEY)
    _reconcile(world)
    world.standin.clear_faults()
    time.sleep(UNLISTED_SECONDS)
    _reconcile(world)
    return _told(world, before.mine)


def _listed_twice(world: World, before: Before) -> Difference:
    """Let every listing name each key twice."""
    world.standin.fault("duplicates", times=OFTEN)
    _reconcile(world)
    return _told(world, before.mine)


def _told(world: World, sid: str) -> Difference:
    """Return what is wrong; an alarm has to name the key."""
    found = safety.always(world)
    if not any(sid in text for text in safety.alarm_texts()):
        found.unalarmed.append(f"no alarm names {sid}")
    return found


def _merged(first: Difference, second: Difference) -> Difference:
    return Difference(**{name: getattr(first, name) + getattr(second, name) for name in vars(first)})


def _reconcile(world: World) -> None:
    for _ in range(RUNS):
        reconcile(world)
        time.sleep(PAUSE_SECONDS)


CASES: dict[str, Case] = {
    "fetch 404, listed": _fetch_404(NO_SUCH_KEY),
    "fetch 404 of somebody else, listed": _fetch_404(OTHER_404),
    "delete 404, listed": _delete_404(NO_SUCH_KEY),
    "delete 404 of somebody else, listed": _delete_404(OTHER_404),
    "gone, and listed later": _gone_and_listed,
    "vanished, and listed later": _vanished_and_listed,
    "listed twice": _listed_twice,
}
