"""Keys whose names say that the portal made them, and that it did not make, or not for that.

Nothing here loses a key: every key below is used by somebody. None may be deleted, each must be the portal's or stand
before a person, and a stranger's name proves nothing about the database.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from . import safety
from .buttons import make_by_hand
from .compare import Difference
from .pristine import Case
from .scenes import Before
from .settling import reconcile
from .world import World

STRANGERS = "Z" * 12
YEARS = 3 * 365 * 86400
HOURS = timedelta(hours=2)
RUNS = 5
PAUSE_SECONDS = 0.4


def refused(world: World) -> str:
    """Return the marker of an attempt that Twilio refused, which made no key."""
    world.standin.fault("refuse")
    return _attempt(world)


def unanswered(world: World) -> str:
    """Return the marker of an open attempt that made no key, though nobody knows that."""
    world.standin.fault("drop_before")
    return _attempt(world)


def settled(world: World) -> str:
    """Return the marker of an attempt whose key was lost and deleted."""
    world.standin.fault("drop_after")
    marker = _attempt(world)
    _reconcile(world)
    return marker


def _attempt(world: World) -> str:
    from keys_app.key_requests.models import Issuance

    request_id = world.approved_request("forged")
    world.issue(request_id)
    return str(Issuance.objects.get(request_id=request_id).marker)


def probed(world: World) -> str:
    """Return the marker of a check of the catalogue that is over."""
    from django.utils import timezone

    from keys_app.audit.installation import identity
    from keys_app.catalogue.models import Probe
    from keys_app.organisation.models import Account
    from keys_app.permissions.naming import new_marker

    now = timezone.now()
    account = Account.objects.get(pk=world.standin.account_sid)
    marker = new_marker(identity())
    Probe.objects.create(account=account, marker=marker, started_at=now, in_flight_until=now, finished_at=now)
    return marker


def _by_hand(marker_of: Callable[[World], str]) -> Case:
    """Make a key by hand after the attempt, with its marker."""

    def case(world: World, before: Before) -> Difference:
        make_by_hand(world, _named(marker_of(world)))
        return _look(world)

    return case


def _years_old(marker_of: Callable[[World], str]) -> Case:
    """Let the key be years old, and be listed for the first time now."""

    def case(world: World, before: Before) -> Difference:
        sid = make_by_hand(world, _named(marker_of(world)))
        world.standin.change_key(sid, age=YEARS)
        return _look(world)

    return case


def _renamed(marker_of: Callable[[World], str], sid_of: Callable[[World, Before], str]) -> Case:
    """Rename a key that exists."""

    def case(world: World, before: Before) -> Difference:
        sid = sid_of(world, before)
        marker = marker_of(world)
        with world.standin.client() as client:
            client.update_key(sid, friendly_name=_named(marker))
        return _look(world)

    return case


def _named(marker: str) -> str:
    from keys_app.permissions.naming import marked_name

    return marked_name("forged", marker)


def _of_live_key(world: World, before: Before) -> Difference:
    """Copy the whole name of a live key of the portal."""
    from keys_app.keys.models import ApiKey

    make_by_hand(world, ApiKey.objects.get(pk=before.mine).friendly_name)
    return _look(world)


def _of_stranger(world: World, before: Before) -> Difference:
    """Name a key as the portal of somebody else would."""
    make_by_hand(world, _named(STRANGERS))
    found = _look(world)
    found.unsettled += ["a stranger's name counts as proof of a restore"] if safety.is_held() else []
    return found


def _of_lost_record(world: World, before: Before) -> Difference:
    """Name a key as this portal would, though it has no record of that: its database was set back."""
    from keys_app.audit.installation import identity
    from keys_app.permissions.naming import new_marker

    make_by_hand(world, _named(new_marker(identity())))
    found = _look(world)
    found.unalarmed += [] if safety.is_held() else ["a key whose record is lost counts as nobody's"]
    return found


def own_credential(world: World, before: Before, **order: Any) -> str:
    """Let the portal manage the account with a key that the account lists, and return its SID.

    `order` is what `StandIn.credential` takes.
    """
    from keys_app.core.secret import Secret
    from keys_app.organisation.credentials import encrypt
    from keys_app.organisation.models import Account

    made = world.standin.credential(**order)
    values = {"credential_user": made.username, "credential_ciphertext": encrypt(Secret(made.password))}
    Account.objects.filter(pk=world.standin.account_sid).update(**values)
    return str(made.username)


def _made_during(make: Callable[[World, Before, str], str]) -> Case:
    """Make a key while an attempt waits for its answer, and give it that attempt's marker."""

    def case(world: World, before: Before) -> Difference:
        waiting = world.approved_request("meanwhile")
        marker = unanswered(world)
        _rename(world, make(world, before, waiting), marker)
        return _look(world)

    return case


def _rename(world: World, sid: str, marker: str) -> None:
    with world.standin.client() as client:
        client.update_key(sid, friendly_name=_named(marker))


def _issued_meanwhile(world: World, before: Before, waiting: str) -> str:
    return world.issue(waiting).sid or before.mine


def _found_meanwhile(world: World, before: Before, waiting: str) -> str:
    sid = make_by_hand(world, "meanwhile")
    reconcile(world)
    return sid


def _connected_meanwhile(world: World, before: Before, waiting: str) -> str:
    return own_credential(world, before)


def _two_by_hand(world: World, before: Before) -> Difference:
    """Give two keys the name of one open attempt: at most one can be its."""
    name = _named(unanswered(world))
    for _ in range(2):
        make_by_hand(world, name)
    return _look(world)


def _hours_ago(world: World, before: Before) -> Difference:
    """Let attempt and key be of the same moment, hours ago."""
    from keys_app.key_requests.models import Issuance

    marker = unanswered(world)
    sid = make_by_hand(world, _named(marker))
    attempt = Issuance.objects.get(marker=marker)
    Issuance.objects.filter(pk=attempt.pk).update(started_at=attempt.started_at - HOURS)
    world.standin.change_key(sid, age=HOURS.total_seconds())
    return _look(world)


def _look(world: World) -> Difference:
    _reconcile(world)
    found = safety.while_held(world, safety.moment(world))
    if gone := _missing_credential(world):
        found.in_use_deleted.append(gone)
    return found


def _missing_credential(world: World) -> str:
    from keys_app.organisation.models import Account

    sid = Account.objects.get(pk=world.standin.account_sid).credential_user
    is_listed = sid == world.standin.api_key or world.standin.key(sid) is not None
    return "" if is_listed else f"{sid}, the portal's own credential, was deleted"


def _reconcile(world: World) -> None:
    for _ in range(RUNS):
        reconcile(world)
        time.sleep(PAUSE_SECONDS)


def _mine(world: World, before: Before) -> str:
    return before.mine


def _unmanaged(world: World, before: Before) -> str:
    return before.by_hand


MARKERS: dict[str, Callable[[World], Any]] = {
    "refused": refused,
    "unanswered": unanswered,
    "settled": settled,
    "probe": probed,
}
CASES: dict[str, Case] = {
    **{f"by hand, {name}": _by_hand(marker) for name, marker in MARKERS.items() if name != "unanswered"},
    **{f"years old, {name}": _years_old(marker) for name, marker in MARKERS.items()},
    **{f"a live key renamed, {name}": _renamed(marker, _mine) for name, marker in MARKERS.items()},
    **{f"an unmanaged key renamed, {name}": _renamed(marker, _unmanaged) for name, marker in MARKERS.items()},
    **{f"the own credential renamed, {name}": _renamed(marker, own_credential) for name, marker in MARKERS.items()},
    "issued during another attempt, renamed": _made_during(_issued_meanwhile),
    "found during an attempt, renamed": _made_during(_found_meanwhile),
    "own credential of the same moment, renamed": _made_during(_connected_meanwhile),
    "two by hand, unanswered": _two_by_hand,
    "of an attempt hours ago": _hours_ago,
    "by hand, a live key": _of_live_key,
    "by hand, a stranger": _of_stranger,
    "by hand, a record that is lost": _of_lost_record,
}
"""Only a key made by hand within the window of an open attempt, with its marker, can't be told from a lost one."""
