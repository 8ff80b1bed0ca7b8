"""What runs beside the portal stops: killed, or stuck in its first job. A mail has to tell of it, and of no other."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.browser.checkout import ROOT

from . import safety
from .compare import Difference
from .pristine import Case
from .scenes import Before
from .world import World

LOOPS = {"reconciler": ("reconcile", "--every", "1"), "sender": ("send_notices", "--every", "1")}
"""Each process by its name in the portal's alarm."""

START_SECONDS = 60.0
ALARM_SECONDS = 8.0
"""Longer than three intervals and the web processes' look, both shortened by `pace`."""


def _silenced(name: str, stop: Callable[[World, "subprocess.Popen[bytes]"], None]) -> Case:
    def case(world: World, before: Before) -> Difference:
        with _running(world) as loops:
            stop(world, loops[name])
            told = _wait_for(lambda: _is_told(name), ALARM_SECONDS)
            found = Difference()
            if not told:
                found.unalarmed.append(f"no mail tells that the {name} is silent")
            found.unalarmed += [
                f"a mail says that the {one} is silent" for one in loops if one != name and _is_told(one)
            ]
            return found

    return case


def _all_well(world: World, before: Before) -> Difference:
    """Nothing is silent, so nothing may be told; a worker that is killed is no silence either."""
    found = Difference()
    with _running(world) as loops:
        world.order("revoke", "arrived")
        world.press_key(before.retiring, "revoke", reason="A kill test.")
        time.sleep(ALARM_SECONDS)
        found.unalarmed += _told_of(set(loops))
    return found


def _told_of(names: set[str]) -> list[str]:
    """Return a line for each of these processes that is said to be silent."""
    return [f"a mail says that the {name} is silent" for name in sorted(names) if _is_told(name)]


def _kill(world: World, process: "subprocess.Popen[bytes]") -> None:
    process.kill()


def _hang(world: World, process: "subprocess.Popen[bytes]") -> None:
    """Let the next call to Twilio take for ever, whatever deadline it has."""
    world.order("reconcile", "GET.before", "hang")


@contextmanager
def _running(world: World) -> Iterator[dict[str, "subprocess.Popen[bytes]"]]:
    """Run each loop until it has beaten once, and end them all."""
    from keys_app.notifications.models import Heartbeat

    with (world.directory / "loops.log").open("ab") as log:
        manage = [sys.executable, "-m", "tests.chaos.manage"]
        loops = {
            name: subprocess.Popen([*manage, *command], cwd=ROOT, stdout=log, stderr=log)
            for name, command in LOOPS.items()
        }
        try:
            started = {row.name: row.beat_at for row in Heartbeat.objects.all()}
            have_beaten = _wait_for(lambda: _beats_after(started, set(loops)), START_SECONDS)
            assert have_beaten, (world.directory / "loops.log").read_text()[-2000:]
            yield loops
        finally:
            for process in loops.values():
                process.kill()
                process.wait(10)


def _beats_after(before: dict[str, object], names: set[str]) -> bool:
    from keys_app.notifications.models import Heartbeat

    return names <= {row.name for row in Heartbeat.objects.all() if row.beat_at != before.get(row.name)}


def _is_told(name: str) -> bool:
    return any(f"{name} is silent" in text for text in safety.alarm_texts())


def _wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not (holds := condition()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return holds


CASES: dict[str, Case] = {
    **{f"{name}, killed": _silenced(name, _kill) for name in LOOPS},
    "reconciler, stuck": _silenced("reconciler", _hang),
    "nothing is silent": _all_well,
}
