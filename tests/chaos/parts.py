"""The parts of a kill test. Each runs in a process and a world of its own, since Django is set up once a process."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from . import mutations, stopping
from .figures import Figures
from .plans import BROKEN, LOCKED, PLANS, SESSION_ENDS, Plan, run_plan
from .rush import run_rush
from .stopping import run_stop
from .storm import run_storm
from .world import World

RUSH = 50
ROUNDS = 6
ISSUES = 1000
QUICK_RUSH = 16
QUICK_ISSUES = 24
BROKEN_PATIENCE = 2.0


def _plan(name: str) -> Callable[[World, int], list[Figures]]:
    return lambda world, seed: [run_plan(world, PLANS[name])]


def _quick(world: World, seed: int) -> list[Figures]:
    """A few cases of everything."""
    found = [run_plan(world, plan, quick=True) for plan in PLANS.values()]
    found.append(run_plan(world, _database_plan(), quick=True))
    return [*found, run_rush(world, QUICK_RUSH, 1), run_storm(world, QUICK_ISSUES, seed)]


def _database_plan() -> Plan:
    from django.db import connection

    return SESSION_ENDS if connection.vendor == "postgresql" else LOCKED


PARTS: dict[str, Callable[[World, int], list[Figures]]] = {
    **{name: _plan(name) for name in PLANS},
    "database": lambda world, seed: [run_plan(world, _database_plan())],
    "storm": lambda world, seed: [run_storm(world, ISSUES, seed)],
    "rush": lambda world, seed: [run_rush(world, RUSH, ROUNDS)],
    "stop": lambda world, seed: [run_stop(world)],
    **{name: lambda world, seed: [run_plan(world, BROKEN, quick=True)] for name in mutations.NAMES},
    "quick": _quick,
}
WHOLE = [name for name in PARTS if name not in ("quick", *mutations.NAMES)]

ENVIRONMENTS = {
    "stop": stopping.PATIENT,
    "rush": {"PORTAL_WORKERS": "1"},  # two portals of one process each
    **{name: {"CHAOS_MUTATION": name} for name in mutations.NAMES},
}


def run_part(name: str, seed: int) -> list[Figures]:
    """Run one part in this process, against the database of `DATABASE_URL` or one in a file."""
    with tempfile.TemporaryDirectory(prefix="key-portal-chaos-") as directory:
        world = World(Path(directory))
        if name in mutations.NAMES:
            world.patience = BROKEN_PATIENCE
        try:
            world.start(**ENVIRONMENTS.get(name, {}))
            return PARTS[name](world, seed)
        finally:
            world.stop()
