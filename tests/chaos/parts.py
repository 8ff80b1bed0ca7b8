"""The parts of a kill test. Each runs in a process and a world of its own, since Django is set up once a process."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from . import (
    connecting,
    contradictions,
    markers,
    moved,
    mutations,
    permissions,
    pristine,
    restores,
    series,
    silence,
    stopping,
)
from .connecting import run_connecting
from .figures import Figures
from .plans import BROKEN, LOCKED, PLANS, SESSION_ENDS, Plan, run_plan
from .pristine import run_cases
from .promotion import run_promotions
from .replaced import run_replaced
from .restores import run_restores
from .rules import RULES
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


def _without(name: str, cases: dict[str, pristine.Case]) -> Callable[[World, int], list[Figures]]:
    return lambda world, seed: [run_cases(world, name, cases)]


def _chosen(cases: dict[str, pristine.Case], name: str) -> dict[str, pristine.Case]:
    return {name: cases[name]}


_ISSUE = {"a backup while a key is made": restores.restore_case(restores.during_issue)}
_NOTHING = {"a backup before": restores.restore_case(restores.before_another)}
FOUND_BY: dict[str, dict[str, pristine.Case]] = {
    "no-known-key": _chosen(markers.CASES, "issued during another attempt, renamed"),
    "no-known-before": _chosen(markers.CASES, "found during an attempt, renamed"),
    "no-own-credential": _chosen(markers.CASES, "own credential of the same moment, renamed"),
    "no-other-key": _chosen(markers.CASES, "two by hand, unanswered"),
    "no-refusal": _chosen(markers.CASES, "by hand, refused"),
    "no-recent": _chosen(markers.CASES, "of an attempt hours ago"),
    "no-window": _chosen(markers.CASES, "years old, unanswered"),
    "no-incarnation": _ISSUE,
    "no-mark": _ISSUE,
    "no-set-back": _ISSUE,
    "no-lost-record": _chosen(markers.CASES, "by hand, a record that is lost"),
    "no-hold-of-ends": _NOTHING,
    "no-hold-of-lapses": {"an unused approval": restores.restore_case(restores.unused_approval)},
    "no-hold-of-replacements": {"a replaced key": restores.restore_case(restores.undeleted_key)},
    "no-keyed-hash": _chosen(markers.CASES, "by hand, a stranger"),
    "no-listing-after-404": _chosen(contradictions.CASES, "delete 404, listed"),
    "no-stuck-alarm": _chosen(permissions.CASES, "revoke without delete"),
    "no-proof-of-delete": connecting.CASES,
    "no-contradiction": _chosen(contradictions.CASES, "listed twice"),
    "no-heartbeat": _chosen(silence.CASES, "reconciler, killed"),
    "no-identifiers": _chosen(moved.CASES, "an open attempt"),
    "no-new-dates": _NOTHING,
}
"""The fewest cases that find out that a rule was taken out, by its name."""

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
    "connect": lambda world, seed: [run_connecting(world), run_cases(world, "connect, lacking", connecting.CASES)],
    "markers": lambda world, seed: [run_cases(world, "markers", markers.CASES)],
    "contradictions": lambda world, seed: [run_cases(world, "contradictions", contradictions.CASES)],
    "permissions": lambda world, seed: [run_cases(world, "permissions", permissions.CASES)],
    **{name: lambda world, seed: [run_plan(world, BROKEN, quick=True)] for name in mutations.OF_ISSUING},
    "silence": lambda world, seed: [run_cases(world, "silence", silence.CASES)],
    "moved": lambda world, seed: [run_cases(world, "moved", moved.CASES)],
    **{name: _without(name, cases) for name, cases in FOUND_BY.items()},
    "no-file-check": lambda world, seed: [run_replaced(world, 1)],
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
    "connect",
    "markers",
    "contradictions",
    "permissions",
    "silence",
    "moved",
    *RULES,
)
"""Parts whose portal is stopped and started often."""

ONLY = {"promotion": "postgresql", "replaced": "sqlite", "no-file-check": "sqlite"}
"""Parts that one database alone has."""


def _environment(name: str) -> dict[str, str]:
    """Return the variables of the cases that find out a rule."""
    if name in mutations.OF_ISSUING:
        return {}
    if name == "no-stuck-alarm":
        return permissions.ENVIRONMENT
    restored = ("no-incarnation", "no-mark", "no-set-back", "no-file-check", "no-identifiers", "no-new-dates")
    return restores.ENVIRONMENT if name in restored or "hold" in name else pristine.ENVIRONMENT


ENVIRONMENTS = {
    **dict.fromkeys(
        ("restore", "restore-ends", "restore-quick", "promotion", "replaced", "moved"), restores.ENVIRONMENT
    ),
    **dict.fromkeys(("series", "connect", "markers", "contradictions", "silence"), pristine.ENVIRONMENT),
    "permissions": permissions.ENVIRONMENT,
    "stop": stopping.PATIENT,
    "rush": {"PORTAL_WORKERS": "1"},  # two portals of one process each
    **{name: {**_environment(name), "CHAOS_MUTATION": name} for name in mutations.NAMES},
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
