"""The reconciler, killed at its first point, at its second, at its third … until one run gets to its end.

Each round begins with something for every job of a run: lost keys, a deletion that failed, a key whose lifetime is
over, one whose overlap is, one of somebody who left, one made by hand, one that was changed, an approval nobody used.
What a killed run has done stays done, and the next one goes on from there.
"""

from datetime import timedelta

from .buttons import give_to_leaver, lost_key, make_by_hand, new_key
from .compare import in_use_deleted
from .figures import Figures
from .settling import reconcile, settle_for_good
from .world import World

ROUNDS = 16
LIVE_KEYS = 14
"""Keys that live all the time, each of which every run looks at."""

LOOK_AFTER = 10
"""After so many kills it is looked whether a key in use is gone."""

ENVIRONMENT = {"PORTAL_RECONCILE_LOOK_EVERY": "0"}


def run_series(world: World, rounds: int) -> Figures:
    """Kill the reconciler again and again, `rounds` times, and return what was found."""
    figures = Figures("series", points=["any"], reached=["any"])
    live = {new_key(world, f"live-{number}") for number in range(LIVE_KEYS if rounds > 1 else 1)}
    for number in range(rounds):
        _prepare(world, number)
        _kill_at_each_point(world, figures)
        figures.cases += 1
        figures.add(settle_for_good(world), f"[series, {number}] ")
        _clear_away(world, live)
    figures.leaks = world.leaks()
    return figures


def _kill_at_each_point(world: World, figures: Figures) -> None:
    point = 0
    while True:
        point += 1
        world.order("reconcile", str(point))
        reconcile(world)
        if not world.was_carried_out():
            world.withdraw_order()
            return
        figures.kills += 1
        if figures.kills % LOOK_AFTER == 0:
            found = in_use_deleted(world, world.standin.truth()["keys"])
            figures.in_use_deleted += [line for line in found if line not in figures.in_use_deleted]


def _prepare(world: World, number: int) -> None:
    """Give a run something to do of every kind."""
    from django.utils import timezone

    from keys_app.key_requests.models import KeyRequest
    from keys_app.keys.models import ApiKey

    old, past, theirs, changed, stuck = (new_key(world, f"{name}-{number}") for name in "abcde")
    unused = world.approved_request(f"unused-{number}")
    for _ in range(2):
        lost_key(world, f"lost-{number}")
    world.rotate(old, 1)
    world.standin.fault("error_before", operation="delete", times=2)
    world.press_key(stuck, "revoke", reason="A kill test.")
    world.standin.clear_faults()
    make_by_hand(world, f"by hand {number}")
    with world.standin.client() as client:
        client.update_key(changed, friendly_name="changed")
    give_to_leaver(theirs)
    reconcile(world)
    now = timezone.now()
    ApiKey.objects.filter(pk=old).update(retires_at=now)
    ApiKey.objects.filter(pk=past).update(expires_at=now - timedelta(seconds=1))
    ApiKey.objects.filter(pk=theirs).update(handover_by=now)
    KeyRequest.objects.filter(pk=unused).update(claim_until=now)
    world.ended |= {old, past, theirs}


def _clear_away(world: World, live: set[str]) -> None:
    """Revoke what is left, so that the next round is no longer than this one."""
    from keys_app.keys.models import ApiKey

    for sid in ApiKey.objects.filter(state="active").exclude(pk__in=live).values_list("sid", flat=True):
        world.press_key(sid, "revoke", reason="A kill test.")
    settle_for_good(world)
