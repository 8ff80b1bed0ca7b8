"""Runs the reconciler until nothing is left to settle, each run as a process of its own."""

import os
import sys
import time
import traceback

from . import mutations, pace, points
from .compare import Difference, compare
from .world import World

PAUSE_SECONDS = 0.1


def reconcile(world: World, *arguments: str) -> int:
    """Run `manage.py reconcile` once in a fork of this process, and return its exit status (-9 if it was killed)."""
    return run_command(world, "reconcile", *arguments)


def run_command(world: World, *command: str) -> int:
    """Run a command of `manage.py` in a fork of this process, which may be killed, and return its exit status."""
    from django.db import connections

    connections.close_all()  # two processes must not speak over one connection
    pid = os.fork()
    if not pid:
        _run_and_exit(world, command)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def _run_and_exit(world: World, command: tuple[str, ...]) -> None:
    """Do what the command does, and never come back. Its output goes to `reconcile.log`."""
    status = 1
    try:
        log = os.open(world.directory / "reconcile.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        from django.core.management import CommandError, call_command

        points.install()
        pace.install()
        mutations.install()
        try:
            with points.doing(command[0]):
                call_command(*command)
            status = 0
        except CommandError as error:
            status = error.returncode
            os.write(2, f"{error}\n".encode())
        sys.stdout.flush()
    except BaseException:  # noqa: BLE001 it is told, and the process ends
        os.write(2, traceback.format_exc().encode())
        status = 2
    finally:
        os._exit(status)


def settle(world: World) -> Difference:
    """Reconcile until the three lists agree or time is up, and return what is left of the difference."""
    deadline = time.monotonic() + world.patience
    while True:
        reconcile(world)
        difference = compare(world).without(world.reported)
        if not difference or time.monotonic() > deadline:
            break
        time.sleep(PAUSE_SECONDS)
    return difference


def settle_for_good(world: World) -> Difference:
    """Settle, and count what is left of the difference as reported, so that it is counted once."""
    difference = settle(world)
    world.reported.update(line.partition(": ")[2] for line in difference.lines())
    return difference
