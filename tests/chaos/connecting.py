"""`connect_account`, killed at its first point, at its second … until one run gets to its end.

Afterwards no key of its check may be left, and the account must be as it was, with one of the two credentials: the one
that was to be connected only if it was proved.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from tests.twilio_iam.simulator import Credential

from .compare import Difference
from .figures import Figures
from .pristine import Case
from .scenes import Before
from .settling import reconcile, run_command
from .world import World

KEY_NAME = "connection check"
RUNS = 4
"""How often the reconciler runs: the third listing without a key may close an attempt."""


def run_connecting(world: World) -> Figures:
    """Connect the account again with another credential, killed at each point, with and without a failing Twilio."""
    figures = Figures("connect", points=["any"], reached=["any"])
    for fault in ("", "drop_after", "error_after"):
        for operation in ("create", "delete") if fault else ("",):
            _kill_at_each_point(world, figures, fault, operation)
            figures.cases += 1
            figures.faults += [f"{fault} {operation}".strip() or "none"]
    return figures


def _kill_at_each_point(world: World, figures: Figures, fault: str, operation: str) -> None:
    point = 0
    while True:
        point += 1
        before, new = _connected(world), world.standin.credential(also=["/twilio/messaging/messages/list"])
        if fault:
            world.standin.fault(fault, operation=operation)
        world.order("connect_account", str(point))
        status = _connect(world, new)
        world.standin.clear_faults()
        killed = world.was_carried_out()
        world.withdraw_order()
        figures.kills += killed
        figures.add(_settled(world, {before, new.username}), f"[connect, {fault or 'none'}, {point}] ")
        if not killed:
            if not fault and (status, _connected(world)) != (0, new.username):
                figures.unaccounted.append("the account could not be connected")
            return


def _connect(world: World, credential: Credential) -> int:
    with _given(credential):
        return run_command(world, "connect_account", world.standin.account_sid, "--shared")


@contextmanager
def _given(credential: Credential) -> Iterator[None]:
    """Give the command a credential in the environment, as an operator does."""
    before = {name: os.environ.get(name) for name in credential.environment}
    os.environ.update(credential.environment)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _connected(world: World) -> str:
    """Return the credential the account works with."""
    from keys_app.organisation.models import Account

    return Account.objects.get(pk=world.standin.account_sid).credential_user


def _settled(world: World, possible: set[str]) -> Difference:
    """Reconcile, and return what is left of a check, or is wrong with the account."""
    from django.utils import timezone

    from keys_app.connections.models import Connection

    Connection.objects.filter(settled_at=None).update(in_flight_until=timezone.now())
    for _ in range(RUNS):
        reconcile(world)
        Connection.objects.filter(settled_at=None, asked_at__isnull=False).update(asked_at=_an_hour_ago())
    found = Difference()
    left = [key["sid"] for key in world.standin.truth()["keys"] if key["exists"] and _is_of_a_check(key)]
    found.unaccounted += [f"{sid} of a check is left" for sid in left]
    found.unsettled += [f"attempt {one.pk} to connect is open" for one in Connection.objects.filter(settled_at=None)]
    if _connected(world) not in possible:
        found.unaccounted.append("the account has a credential that nobody gave it")
    if Connection.objects.exclude(credential_ciphertext="").filter(settled_at__isnull=False).exists():
        found.unaccounted.append("a credential is kept after its attempt was settled")
    return found


def _an_hour_ago() -> object:
    from datetime import timedelta

    from django.utils import timezone

    return timezone.now() - timedelta(hours=1)


def _is_of_a_check(key: dict[str, object]) -> bool:
    return str(key["friendly_name"] or "").startswith(KEY_NAME)


def _lacking_delete(world: World, before: Before) -> Difference:
    """Connect with a credential that may not delete: nothing may be created."""
    asked = len(world.standin.truth()["asked"])
    _connect(world, world.standin.credential(without=["delete"], also=["/twilio/messaging/messages/list"]))
    found = _settled(world, {_connected(world)})
    if len(world.standin.truth()["asked"]) != asked:
        found.unaccounted.append("a key was created with a credential that may not delete one")
    return found


CASES: dict[str, Case] = {"a credential without delete": _lacking_delete}
