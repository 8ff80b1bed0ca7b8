"""PostgreSQL fails over to a replica that lags: it receives nothing after a point of an action, and is promoted later.

The primary is killed, the replica takes its address, and the portal's processes go on as they are.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from . import clusters, safety
from .buttons import take_over
from .compare import Difference
from .figures import Figures
from .restores import reconcile_until_quiet, review
from .scenes import LATER, OVERLAP_HOURS, Before, Scene, begin, let_time_pass
from .world import World

ISSUES = ("tx1.in", "tx1.committed", "POST.before", "POST.after", "tx2.in", "tx2.committed", "rendered")
ROTATIONS = ("tx1.committed", "POST.after", "tx2.in", "rendered")
OTHERS = ("arrived", "rendered")


def run_promotions(world: World) -> Figures:
    """Fail over once for each case, and once without a loss. Each server that is promoted is the next primary."""
    figures = Figures("promotion")
    primary = clusters.Server(Path(os.environ["CHAOS_FOLDER"]) / "primary", int(os.environ["CHAOS_PORT"]))
    for number, (scene, point, later) in enumerate(_cases(), 1):
        before = begin(world)
        replica = clusters.new_replica(primary, number)
        difference, was_there = _fail_over(world, before, scene, point, later, primary, replica)
        primary = replica
        figures.restores += was_there or not point
        figures.add_case(f"{scene.name}: {point}" if point else "", later, was_there, difference)
    figures.leaks += world.leaks()
    return figures


def _cases() -> Iterator[tuple[Scene, str, str]]:
    issue = Scene("issue", "issue", ISSUES, lambda world, before: world.approved_request("failed over"), World.issue)
    rotate = Scene(
        "rotate",
        "rotate",
        ROTATIONS,
        lambda world, before: before.mine,
        lambda world, sid: world.rotate(sid, OVERLAP_HOURS),
    )
    hand_over = Scene("hand over", "take-over", OTHERS, lambda world, before: before.left, take_over)
    names = list(LATER)
    yield issue, "", "nothing"
    for scene in (issue, rotate, hand_over):
        for number, point in enumerate(scene.points):
            yield scene, point, names[number % len(names)]


def _fail_over(
    world: World,
    before: Before,
    scene: Scene,
    point: str,
    later: str,
    primary: clusters.Server,
    replica: clusters.Server,
) -> tuple[Difference, bool]:
    Path(os.environ[clusters.REPLICA_FILE]).write_text(replica.url())
    subject = scene.prepare(world, before)
    if point:
        world.order(scene.verb, point, "cut off")
    scene.act(world, subject)
    was_there = world.was_carried_out()
    world.withdraw_order()
    if was_there:
        LATER[later](world, before)
    else:
        clusters.cut_off()
    return _promote(world, primary, replica), was_there


def _promote(world: World, primary: clusters.Server, replica: clusters.Server) -> Difference:
    """Kill the primary and let the replica take its place; return what is wrong before and after the review."""
    set_back = safety.moment(world)
    _let_go()
    port = primary.port
    primary.kill()
    replica.kill()
    replica.start(port)
    replica.promote()
    lost = set_back.ledger_size - safety.ledger_size()
    if lost:
        let_time_pass()
    found = reconcile_until_quiet(world, replace(set_back, lost=lost))
    if not lost and safety.is_held():
        found.unaccounted.append("a promotion that lost nothing is held")
    return review(world) if not found and safety.is_held() else found


def _let_go() -> None:
    from django.db import connections

    connections.close_all()


@contextmanager
def first_server() -> Iterator[dict[str, str]]:
    """Give the variables of a new primary in a folder of its own, and stop whatever runs in there at the end."""
    with tempfile.TemporaryDirectory(prefix="key-portal-clusters-") as name:
        folder = Path(name)
        primary = clusters.new_primary(folder)
        try:
            yield {
                "DATABASE_URL": primary.url(),
                "CHAOS_FOLDER": name,
                "CHAOS_PORT": str(primary.port),
                clusters.REPLICA_FILE: str(folder / "address"),
            }
        finally:
            clusters.stop_all(folder)
