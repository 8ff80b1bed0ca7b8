"""What people do before a case, and after it until they have what they wanted.

A call to a Twilio that does nothing wrong may still time out on a busy machine. So everything is done again, with a
reconciler in between as there is in life, and only who never gets there is a finding.
"""

from typing import Any

from .people import Shown
from .settling import settle
from .world import World

TRIES = 5


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


def _key(sid: str) -> Any:
    from keys_app.keys.models import ApiKey

    return ApiKey.objects.get(pk=sid)


def _newest(request_id: object) -> Any:
    from keys_app.keys.models import ApiKey

    return ApiKey.objects.filter(request_id=request_id, state="active", retires_at=None).first()
