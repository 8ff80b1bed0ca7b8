"""The parts of a kill test. Each runs in a process and a world of its own, since Django is set up once a process."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from . import contradictions, markers, mutations, permissions, pristine, restores, series, stopping
from .figures import Figures
from .plans import BROKEN, LOCKED, PLANS, SESSION_ENDS, Plan, run_plan
from .pristine import run_cases
from .promotion import run_promotions
from .replaced import run_replaced
from .restores import run_restores
from .rush import run_rush
from .scenes import ENDING, MAKING
from .series import run_series
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
    "restore": lambda world, seed: [run_restores(world, "restore", MAKING, restores.TIMES)],
    "restore-ends": lambda world, seed: [run_restores(world, "restore, ends", ENDING, restores.TIMES_ENDING)],
    "restore-quick": lambda world, seed: [run_restores(world, "restore", MAKING + ENDING, 1, quick=True)],
    "promotion": lambda world, seed: [run_promotions(world)],
    "replaced": lambda world, seed: [run_replaced(world)],
    "series": lambda world, seed: [run_series(world, series.ROUNDS)],
    "markers": lambda world, seed: [run_cases(world, "markers", markers.CASES)],
    "contradictions": lambda world, seed: [run_cases(world, "contradictions", contradictions.CASES)],
    "permissions": lambda world, seed: [run_cases(world, "permissions", permissions.CASES)],
    **{name: lambda world, seed: [run_plan(world, BROKEN, quick=True)] for name in mutations.NAMES},
    "quick": _quick,
}
WHOLE = [name for name in PARTS if name not in ("quick", "restore-quick", *mutations.NAMES)]

FORKED = (
    "restore",
    "restore-ends",
    "restore-quick",
    "promotion",
    "replaced",
    "series",
    "markers",
    "contradictions",
    "permissions",
)
"""Parts whose portal is stopped and started often."""

ONLY = {"promotion": "postgresql", "replaced": "sqlite"}
"""Parts that one database alone has."""

ENVIRONMENTS = {
    **dict.fromkeys(("restore", "restore-ends", "restore-quick", "promotion", "replaced"), restores.ENVIRONMENT),
    **dict.fromkeys(("series", "markers", "contradictions"), pristine.ENVIRONMENT),
    "permissions": permissions.ENVIRONMENT,
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
            world.start(forked=name in FORKED, **ENVIRONMENTS.get(name, {}))
            return PARTS[name](world, seed)
        finally:
            world.stop()
