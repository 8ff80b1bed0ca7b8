"""The portal's credential lacks a permission, for every action. What can't be done is told within the deadline."""

import time
from collections.abc import Callable
from itertools import product
from typing import Any

from . import safety
from .buttons import adopt, new_request, take_over
from .compare import Difference
from .markers import own_credential
from .pristine import Case
from .scenes import OVERLAP_HOURS, Before, let_time_pass
from .settling import reconcile
from .world import World

PERMISSIONS = ("create", "read", "list", "update", "delete")
HOW = ("authenticate", "evaluation", "forbidden", "missing")
SECONDS = 5.5
"""How long the reconciler runs: longer than anything may wait without an alarm."""

PAUSE_SECONDS = 0.7
ENVIRONMENT = {"PORTAL_RECONCILE_LOOK_EVERY": "0", "PORTAL_RECONCILE_GRACE": "0"}


def _issue(world: World, before: Before) -> None:
    world.issue(new_request(world, "no permission"))


def _lose(world: World, before: Before) -> None:
    """Lose the answer to an issue."""
    world.standin.fault("drop_after")
    _issue(world, before)


def _end_overlaps(world: World, before: Before) -> None:
    let_time_pass()
    world.ended |= {before.retiring, before.left}


ACTIONS: dict[str, Callable[[World, Before], Any]] = {
    "issue": _issue,
    "lost answer": _lose,
    "rotate": lambda world, before: world.rotate(before.mine, 0),
    "rotate with an overlap": lambda world, before: world.rotate(before.mine, OVERLAP_HOURS),
    "replace": lambda world, before: world.press_key(before.mine, "replace"),
    "revoke": lambda world, before: world.press_key(before.mine, "revoke", reason="A kill test."),
    "adopt": lambda world, before: adopt(world, before.by_hand),
    "hand over": lambda world, before: take_over(world, before.left),
    "ends of overlaps": _end_overlaps,
}


def _without(permission: str, how: str, act: Callable[[World, Before], Any]) -> Case:
    def case(world: World, before: Before) -> Difference:
        own_credential(world, before, without=[permission], refusal=how)
        act(world, before)
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            reconcile(world)
            time.sleep(PAUSE_SECONDS)
        return safety.always(world)

    return case


_EACH = enumerate(product(PERMISSIONS, ACTIONS.items()))
CASES: dict[str, Case] = {
    f"{name} without {permission}": _without(permission, HOW[number % len(HOW)], act)
    for number, (permission, (name, act)) in _EACH
}
"""The ways in which Twilio refuses are tried in turn."""
