"""What happens while a backup is made, and what happens after it, before the backup is restored.

Before each case there are, kept with the database and with the simulator: a key in use (`mine`), one whose overlap
with its successor goes on (`retiring`), one of somebody who left (`left`), one made by hand (`by_hand`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .buttons import adopt, end_overlap, give_to_leaver, make_by_hand, new_key, new_request, take_over
from .plans import IN_TRANSACTIONS, calls
from .settling import reconcile
from .world import World

OVERLAP_HOURS = 24


@dataclass
class Before:
    """The keys that each case begins with, by what they are there for."""

    mine: str
    retiring: str
    left: str
    by_hand: str


@dataclass(frozen=True)
class Scene:
    """An action during which the backup is made, at each of `points`. `act` does it to what `prepare` returned."""

    name: str
    verb: str
    points: tuple[str, ...]
    prepare: Callable[[World, Before], str]
    act: Callable[[World, str], Any]


def begin(world: World) -> Before:
    """Make the keys that each case begins with."""
    mine, old = new_key(world, "mine"), new_key(world, "retiring")
    world.rotate(old, OVERLAP_HOURS)
    theirs = new_key(world, "left")
    by_hand = make_by_hand(world, "made by hand")
    give_to_leaver(theirs)
    reconcile(world)
    return Before(mine, old, theirs, by_hand)


def let_time_pass() -> None:
    """Let every wait be over that a setting counts in days: overlaps, leavers' dates, unused approvals."""
    from django.utils import timezone

    from keys_app.key_requests.models import KeyRequest
    from keys_app.keys.models import ApiKey

    now = timezone.now()
    ApiKey.objects.filter(retires_at__gt=now).update(retires_at=now)
    ApiKey.objects.filter(handover_by__gt=now).update(handover_by=now)
    KeyRequest.objects.filter(claim_until__gt=now).update(claim_until=now)


POSTING = ("arrived", *IN_TRANSACTIONS, *calls("POST"), "rendered")
DELETING = ("arrived", *IN_TRANSACTIONS, *calls("DELETE"), "rendered")

MAKING = (
    Scene("issue", "issue", POSTING, lambda world, before: new_request(world, "restored"), World.issue),
    Scene(
        "rotate",
        "rotate",
        (*POSTING, *calls("DELETE"), "tx3.in", "tx3.committed"),
        lambda world, before: before.mine,
        lambda world, sid: world.rotate(sid, 0),
    ),
    Scene(
        "rotate with an overlap",
        "rotate",
        POSTING,
        lambda world, before: before.mine,
        lambda world, sid: world.rotate(sid, OVERLAP_HOURS),
    ),
)
"""A key is made."""

ENDING = (
    Scene(
        "replace",
        "replace",
        DELETING,
        lambda world, before: before.mine,
        lambda world, sid: world.press_key(sid, "replace"),
    ),
    Scene(
        "revoke",
        "revoke",
        DELETING,
        lambda world, before: before.mine,
        lambda world, sid: world.press_key(sid, "revoke", reason="A kill test."),
    ),
    Scene(
        "adopt",
        "adopt",
        ("arrived", "tx1.in", "tx1.committed", *calls("GET"), "rendered"),
        lambda world, before: before.by_hand,
        adopt,
    ),
    Scene(
        "hand over",
        "take-over",
        ("arrived", "tx1.in", "tx1.committed", "rendered"),
        lambda world, before: before.left,
        take_over,
    ),
    Scene(
        "end of an overlap",
        "reconcile",
        (*IN_TRANSACTIONS, *calls("GET", "DELETE")),
        lambda world, before: before.retiring,
        end_overlap,
    ),
)
"""A key is ended, or gets another owner."""


def _another_issue(world: World, before: Before) -> None:
    world.issue(world.approved_request("later"))


def _revocation(world: World, before: Before) -> None:
    world.press_key(before.retiring, "revoke", reason="A kill test.")


def _rotation(world: World, before: Before) -> None:
    world.rotate(before.mine, OVERLAP_HOURS)


LATER: dict[str, Callable[[World, Before], Any]] = {
    "another issue": _another_issue,
    "a take-over": lambda world, before: take_over(world, before.left),
    "a revocation": _revocation,
    "a rotation": _rotation,
    "nothing": lambda world, before: None,
}
"""What goes on between the action and the restore. A button that is not offered any more does nothing."""
