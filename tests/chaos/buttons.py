"""What people do before a case, and after it until they have what they wanted.

A call to a Twilio that does nothing wrong may still time out on a busy machine. So everything is done again, with a
reconciler in between as there is in life, and only who never gets there is a finding.
"""

from typing import Any

from .people import Shown
from .settling import reconcile, settle
from .world import POLICIES, World

TRIES = 5
DAYS = 30
"""How long an adopted key lives."""


def new_request(world: World, name: str) -> str:
    return world.approved_request(name)


def new_key(world: World, name: str) -> str:
    """Return the SID of a new key whose secret was shown."""
    for number in range(TRIES):
        seen = world.issue(world.approved_request(f"{name}.{number}"))
        if seen.sid:
            return seen.sid
        settle(world)
    raise RuntimeError(f"no key was issued: {seen.status} {seen.text}")


def lost_key(world: World, name: str) -> str:
    """Return a request for which Twilio made a key whose answer was lost."""
    request_id = world.approved_request(name)
    world.standin.fault("drop_after")
    world.issue(request_id)
    return request_id


def revoke(world: World, sid: str) -> Shown:
    return world.press_key(sid, "revoke", reason="A kill test.")


def get_a_key(world: World, request_id: str) -> bool:
    """Issue until a secret is shown, and replace a key whose secret was not."""
    for _ in range(TRIES):
        if world.issue(request_id).secret:
            return True
        if key := _newest(request_id):
            world.press_key(key.sid, "replace")
        settle(world)
    return False


def replace_it(world: World, sid: str) -> bool:
    """Replace the key, unless that is done, and issue again."""
    key = _key(sid)
    if key.state == "active":
        world.press_key(sid, "replace")
    return get_a_key(world, str(key.request_id))


def rotate_again(world: World, sid: str) -> bool:
    """Rotate the newest key of the same request, with an overlap that goes on."""
    for _ in range(TRIES):
        newest = _newest(_key(sid).request_id)
        if newest and world.rotate(newest.sid, 24).secret:
            return True
        settle(world)
    return False


def revoke_it(world: World, sid: str) -> bool:
    """Revoke the key, unless that is done."""
    for _ in range(TRIES):
        state = _key(sid).state
        if state == "revoked":
            return True
        if state == "active":
            revoke(world, sid)
        settle(world)
    return False


def make_by_hand(world: World, name: str) -> str:
    """Make a key at Twilio that the portal knows nothing of, and that somebody uses."""
    from keys_app.permissions.policy import Policy

    policy = Policy.of(POLICIES[0])
    with world.standin.client() as client:
        made = client.create_restricted_key(
            account_sid=world.standin.account_sid, friendly_name=name, policy=policy
        )  # fmt: skip
    world.found.add(made.sid)
    return made.sid


def give_to_leaver(sid: str) -> None:
    """Let a key belong to somebody of the team who can't sign in any more."""
    from django.contrib.auth.models import User

    from keys_app.keys.models import ApiKey

    owner = User.objects.get(username="colleague")
    User.objects.filter(pk=owner.pk).update(is_active=False)
    ApiKey.objects.filter(pk=sid).update(owner=owner)


def adopt(world: World, sid: str) -> None:
    """Let the lead adopt a key for the engineer."""
    from django.contrib.auth.models import User

    from keys_app.organisation.models import Team

    team, owner = Team.objects.get(name="Payments"), User.objects.get(username="engineer")
    fields = {"team": team.pk, "owner": owner.pk, "lifetime_days": DAYS}
    world.lead.press(f"/keys/unmanaged/{sid}/adopt/", **fields)


def take_over(world: World, sid: str) -> None:
    """Let the lead take over the key of somebody who left."""
    world.press_key(sid, "take-over", world.lead)


def end_overlap(world: World, sid: str) -> None:
    """Let the overlap of a rotated key be over, and the reconciler run."""
    from django.utils import timezone

    from keys_app.keys.models import ApiKey

    ApiKey.objects.filter(pk=sid).update(retires_at=timezone.now())
    world.ended.add(sid)
    reconcile(world)


def adopted_by_now(world: World, sid: str) -> bool:
    """Adopt a key, unless that is done."""
    for _ in range(TRIES):
        if _adopted(sid):
            return True
        adopt(world, sid)
        settle(world)
    return False


def _adopted(sid: str) -> bool:
    from keys_app.keys.models import ApiKey

    return bool(ApiKey.objects.filter(pk=sid).exists())


def found_key(world: World, name: str) -> str:
    """Return the SID of a key made by hand that the reconciler has found."""
    sid = make_by_hand(world, name)
    settle(world)
    return sid


def left_key(world: World, name: str) -> str:
    """Return the SID of a key whose owner left, which the reconciler has noted."""
    sid = new_key(world, name)
    give_to_leaver(sid)
    reconcile(world)
    return sid


def taken_over_by_now(world: World, sid: str) -> bool:
    """Take over a key whose owner left, unless that is done."""
    for _ in range(TRIES):
        if _key(sid).owner.username == "lead":
            return True
        take_over(world, sid)
    return False


def overdue_key(world: World, name: str) -> str:
    """Return the SID of a key whose owner left, and that nobody took over in time."""
    from django.utils import timezone

    from keys_app.keys.models import ApiKey

    sid = left_key(world, name)
    ApiKey.objects.filter(pk=sid).update(handover_by=timezone.now())
    world.ended.add(sid)
    return sid


def rotated_key(world: World, name: str) -> str:
    """Return the SID of a rotated key whose overlap goes on."""
    sid = new_key(world, name)
    world.rotate(sid, 1)
    return sid


def gone_by_now(world: World, sid: str) -> bool:
    """Tell whether a key was deleted; the reconciler does that without anybody's help, when it gets through."""
    for _ in range(TRIES):
        if _key(sid).state == "revoked":
            return True
        settle(world)
    return False


def _key(sid: str) -> Any:
    from keys_app.keys.models import ApiKey

    return ApiKey.objects.get(pk=sid)


def _newest(request_id: object) -> Any:
    from keys_app.keys.models import ApiKey

    return ApiKey.objects.filter(request_id=request_id, state="active", retires_at=None).first()
