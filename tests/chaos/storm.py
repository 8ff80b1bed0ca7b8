"""Many people issue keys at once while Twilio fails at random, processes are killed and the reconciler runs."""

import contextlib
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import requests

from tests.browser.checkout import ROOT

from . import points
from .faults import MIX
from .figures import Figures
from .people import Person, Shown
from .plans import PLANS
from .settling import settle_for_good
from .world import World

RATE = 0.35
PEOPLE = 6
KILL_EVERY = 0.25
"""Seconds between two kills, where the point is reached by then."""

SETTLING_SECONDS = 180.0
"""How long settling may take: some hundred lost keys are deleted then, one by one."""

ORDERS_WAIT = 4
"""For so many times that long an order waits for somebody to come to its point, then another point is chosen."""


def run_storm(world: World, issues: int, seed: int) -> Figures:
    """Let `issues` requests be approved and “Issue key” be pressed once on each, and settle."""
    figures = Figures("storm")
    figures.faults = [str(number) for number in range(len(MIX))]
    world.standin.mix(MIX, rate=RATE, seed=seed)
    with _disasters(world, random.Random(seed), figures), ThreadPoolExecutor(PEOPLE) as pool:
        people = [(world.engineer.double(), world.lead.double()) for _ in range(PEOPLE)]
        presses = [pool.submit(partial(_press, world, *people[n % PEOPLE]), n) for n in range(issues)]
        seen = [press.result() for press in presses]
    world.standin.clear_faults()
    world.patience = SETTLING_SECONDS
    figures.add(settle_for_good(world))
    figures.leaks = world.leaks()
    figures.cases = len(seen)
    statuses = Counter("no answer" if not one.status else str(one.status) for one in seen)
    counts = ", ".join(f"{number} × {status}" for status, number in sorted(statuses.items()))
    figures.notes.append(f"answers to {len(seen)} presses: {counts}; {len(world.shown)} secrets shown; seed {seed}")
    return figures


def _press(world: World, engineer: Person, lead: Person, number: int) -> Shown:
    while True:
        with contextlib.suppress(requests.RequestException):  # the worker was killed: ask again
            request_id = world.approved_request(f"storm-{number}", engineer, lead)
            break
    seen = world.issue(request_id, engineer)
    if seen.secret:
        _go_on(world, engineer, seen.sid, number)
    return seen


def _go_on(world: World, engineer: Person, sid: str, number: int) -> None:
    """Let a quarter of the keys be rotated, a quarter replaced, a quarter revoked."""
    match number % 4:
        case 1:
            world.rotate(sid, 24 if number % 8 == 1 else 0, engineer)
        case 2:
            world.press_key(sid, "replace", engineer)
        case 3:
            world.press_key(sid, "revoke", engineer, reason="A kill test.")


@contextlib.contextmanager
def _disasters(world: World, chance: random.Random, figures: Figures) -> Iterator[None]:
    """Kill a worker or the reconciler at a random point again and again, and keep a reconciler running."""
    stop = threading.Event()
    threads = [
        threading.Thread(target=_kill_at_random, args=(world, chance, figures, stop)),
        threading.Thread(target=_keep_reconciling, args=(world, stop)),
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        world.withdraw_order()


def _kill_at_random(world: World, chance: random.Random, figures: Figures, stop: threading.Event) -> None:
    places = sorted({point for plan in PLANS.values() for point in plan.points})
    waited = ORDERS_WAIT
    while not stop.wait(KILL_EVERY):
        was_there = world.was_carried_out()
        figures.kills += was_there
        waited += 1
        if was_there or waited > ORDERS_WAIT:
            world.order(points.ANY, chance.choice(places))
            waited = 0


def _keep_reconciling(world: World, stop: threading.Event) -> None:
    """Run `reconcile --every 1` as a service manager would, starting it again when it was killed."""
    command = [sys.executable, "-m", "tests.chaos.manage", "reconcile", "--every", "1"]
    with (world.directory / "reconcile.log").open("ab") as log:
        while not stop.is_set():
            process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
            while process.poll() is None and not stop.wait(0.1):
                pass
            if process.poll() is None:
                process.terminate()
            process.wait(30)
            time.sleep(0.1)
