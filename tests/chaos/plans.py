"""Every kill point with every fault, for each action of the portal, one case after the other."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from .buttons import (
    adopt,
    adopted_by_now,
    end_overlap,
    found_key,
    get_a_key,
    gone_by_now,
    left_key,
    lost_key,
    new_key,
    new_request,
    overdue_key,
    replace_it,
    revoke,
    revoke_it,
    rotate_again,
    rotated_key,
    take_over,
    taken_over_by_now,
)
from .faults import CREATE, DELETE, FETCH, RECONCILE, Fault
from .figures import Figures
from .settling import reconcile, settle_for_good
from .world import World

IN_TRANSACTIONS = ("tx1.in", "tx1.committed", "tx2.in", "tx2.committed")


def calls(*methods: str) -> Iterator[str]:
    for method in methods:
        yield from (f"{method}.{moment}" for moment in ("before", "sent", "headers", "after"))


@dataclass(frozen=True)
class Plan:
    """One action of the portal: what it begins with, how it is started, and where it is killed.

    `quick` are the cases of a quick run, each of which reaches its point; `action` is what is done there, a kill
    if empty.

    `prepare` returns the subject, the id of a request or the SID of a key. `act` does the action to it once.
    `finish` goes on without faults until people have what they wanted, and tells whether they got there.
    """

    name: str
    verb: str
    points: tuple[str, ...]
    faults: dict[str, Fault]
    prepare: Callable[[World, str], str]
    act: Callable[[World, str], Any]
    finish: Callable[[World, str], bool]
    quick: tuple[tuple[str, str], ...] = ()
    action: str = ""

    def cases(self, quick: bool) -> Iterable[tuple[str, str]]:
        """Return each point, and none, with each fault."""
        return self.quick if quick else product(("", *self.points), self.faults)

    def action_for(self, fault: str) -> str:
        """Return what is done at a point: where Twilio does nothing wrong, gunicorn and all workers are killed."""
        return self.action or ("kill all" if fault == "none" and self.verb != "reconcile" else "kill")


def run_plan(world: World, plan: Plan, *, quick: bool = False) -> Figures:
    """Go through the cases, and return what was found."""
    figures = Figures(plan.name)
    for point, fault in plan.cases(quick):
        subject = plan.prepare(world, f"{plan.name}-{len(world.approved)}")
        was_there = _disturb(world, plan, subject, point, fault)
        difference = settle_for_good(world)
        world.standin.clear_faults()
        if not difference:
            got_there = plan.finish(world, subject)
            difference = settle_for_good(world)
            difference.unaccounted += [] if got_there else [f"nobody got what they wanted of {subject}"]
        figures.add_case(point, fault, was_there, difference)
    figures.leaks += world.leaks()
    return figures


def _disturb(world: World, plan: Plan, subject: str, point: str, fault: str) -> bool:
    """Act with a fault ordered and a process killed at a point; tell whether it got there. The portal runs again."""
    for order in plan.faults[fault]:
        world.standin.fault(**{("name" if key == "fault" else key): value for key, value in order.items()})
    action = plan.action_for(fault)
    if point:
        world.order(plan.verb, point, action)
    plan.act(world, subject)
    was_there = world.was_carried_out()
    world.withdraw_order()
    if was_there and action == "kill all":
        world.portal.revive()
    return was_there


ENDING = ("arrived", *IN_TRANSACTIONS, *calls("DELETE"), "rendered")
QUICK_ENDING = (
    ("tx1.committed", "none"),
    ("DELETE.sent", "processed and dropped"),
    ("tx2.in", "none"),
)

MAKING = ("arrived", "connected", *IN_TRANSACTIONS, "tx3.in", "tx3.committed", *calls("POST", "DELETE"), "rendered")
ISSUE = Plan(
    "issue",
    "issue",
    MAKING,
    CREATE,
    new_request,
    World.issue,
    get_a_key,
    quick=(
        ("arrived", "none"),
        ("connected", "none"),
        ("tx1.in", "none"),
        ("tx1.committed", "none"),
        ("POST.before", "none"),
        ("POST.sent", "dropped, and listed late"),
        ("POST.headers", "truncated 201"),
        ("POST.after", "none"),
        ("tx2.in", "processed and dropped"),
        ("tx2.committed", "none"),
        ("tx3.in", "201 with policy null"),
        ("DELETE.before", "201 with another policy"),
        ("rendered", "429"),
        ("", "next page elsewhere"),
    ),
)
REPLACE = Plan(
    "replace",
    "replace",
    ENDING,
    DELETE,
    new_key,
    lambda world, sid: world.press_key(sid, "replace"),
    replace_it,
    quick=QUICK_ENDING,
)
REVOKE = Plan("revoke", "revoke", ENDING, DELETE, new_key, revoke, revoke_it, quick=QUICK_ENDING)
ROTATE = Plan(
    "rotate",
    "rotate",
    MAKING,
    CREATE,
    new_key,
    lambda world, sid: world.rotate(sid, 0),
    rotate_again,
    quick=(
        ("POST.sent", "processed and dropped"),
        ("tx2.in", "none"),
        ("tx2.committed", "none"),
        ("DELETE.sent", "none"),
    ),
)
RECONCILING = Plan(
    "reconcile",
    "reconcile",
    ("tx1.in", "tx1.committed", *calls("GET", "DELETE")),
    RECONCILE,
    lost_key,
    lambda world, _: reconcile(world),
    get_a_key,
    quick=(("GET.after", "listed twice"), ("DELETE.before", "none"), ("DELETE.after", "none"), ("tx1.in", "none")),
)
ADOPTING = Plan(
    "adopt",
    "adopt",
    ("arrived", "tx1.in", "tx1.committed", *calls("GET"), "rendered"),
    FETCH,
    found_key,
    adopt,
    adopted_by_now,
    quick=(("GET.sent", "none"), ("tx1.in", "none")),
)
HANDING_OVER = Plan(
    "hand over",
    "take-over",
    ("arrived", "tx1.in", "tx1.committed", "rendered"),
    {"none": []},
    left_key,
    take_over,
    taken_over_by_now,
    quick=(("tx1.in", "none"),),
)
LEAVING = Plan(
    "keys of leavers",
    "reconcile",
    (*IN_TRANSACTIONS, *calls("GET", "DELETE")),
    RECONCILE,
    overdue_key,
    lambda world, _: reconcile(world),
    gone_by_now,
    quick=(("tx1.committed", "none"),),
)
OVERLAPPING = Plan(
    "ends of overlaps",
    "reconcile",
    (*IN_TRANSACTIONS, *calls("GET", "DELETE")),
    RECONCILE,
    rotated_key,
    end_overlap,
    gone_by_now,
    quick=(("DELETE.sent", "none"), ("tx1.in", "none")),
)
SESSION_ENDS = replace(ISSUE, name="database ends session", action="end session", quick=(("tx2.in", "none"),))
LOCKED = replace(
    ISSUE,
    name="database is locked",
    action="lock",
    points=("arrived", "POST.before", "POST.after"),  # inside a transaction the portal itself has the lock
    quick=(("POST.after", "none"),),
)

PLANNED = (ISSUE, ROTATE, REPLACE, REVOKE, RECONCILING, ADOPTING, HANDING_OVER, LEAVING, OVERLAPPING)
PLANS = {plan.name: plan for plan in PLANNED}
BROKEN = replace(
    ISSUE,
    quick=(("POST.after", "none"), ("POST.sent", "processed and dropped"), ("", "201 with policy null"), ("", "none")),
)
"""Enough to find out every way in which `mutations` breaks the portal."""
