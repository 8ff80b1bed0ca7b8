"""Compares the portal's live keys with Twilio's: which are gone, and whose policy or name was changed outside.

A key that the listing does not have is asked for by its SID before anything is believed. Policies are not in a
listing, so each key is fetched now and then, a few in each run, those not looked at for longest first.
"""

import json
from contextlib import suppress
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from keys_app.audit.record import record
from keys_app.core.db import compare_and_swap
from keys_app.core.errors import Conflict
from keys_app.keys.models import ApiKey
from keys_app.keys.states import KeyState, KeyStep, move_key
from keys_app.notifications import notify
from keys_app.twilio_iam.ensure_deleted import NO_SUCH_KEY
from keys_app.twilio_iam.errors import Rejected, clean
from keys_app.twilio_iam.types import KeyDetail

from .account_run import Visit

CLOCKS_APART = timedelta(seconds=60)
"""How far Twilio's clock may be from the portal's, when a date in the listing says that a key was changed."""

COMPARING = "comparing keys"
VANISHED = "Deleted outside the portal."
DRIFTED = (
    "At Twilio it is not what was approved any more. Its page says what differs. Rotate or revoke it, or set it back "
    "at Twilio."
)
ADOPTED_DRIFTED = (
    "At Twilio it is not what it was when it was adopted. Its page says what differs. Revoke it, or set it back at "
    "Twilio."
)


def compare_keys(visit: Visit) -> None:
    """Look for revoked keys that are listed, live ones that are not, then those that are due. Raises `TwilioError`."""
    live = ApiKey.objects.filter(account=visit.account, state=KeyState.ACTIVE, issued_at__lt=visit.began_at)
    keys = list(live.select_related("account", "team", "owner"))
    for key in _said_to_be_gone(visit):
        if not visit.may_look():
            return
        with visit.attempt(COMPARING, key.pk):
            _look_at_revoked(visit, key)
    missing = [key for key in keys if key.sid not in visit.listed]
    due = [key for key in keys if key.sid in visit.listed and _is_due(visit, key)]
    due.sort(key=lambda key: (not _was_changed(visit, key), key.checked_at or key.issued_at))
    for key in missing + due:
        if not visit.may_look():
            return
        with visit.attempt(COMPARING, key.pk):
            _look_at(visit, key)


def _said_to_be_gone(visit: Visit) -> list[ApiKey]:
    """Return the revoked keys that Twilio lists though their deletion is a while ago."""
    settled = visit.began_at - settings.RECONCILE_GRACE
    gone = ApiKey.objects.filter(account=visit.account, state=KeyState.REVOKED, revoked_at__lt=settled)
    listed = [sid for sid in gone.values_list("sid", flat=True) if sid in visit.listed]
    return list(gone.filter(pk__in=listed[: settings.RECONCILE_LOOKS]).select_related("account", "team", "owner"))


def _look_at_revoked(visit: Visit, key: ApiKey) -> None:
    """Have a key that works though it was revoked deleted again."""
    visit.found.compared += 1
    try:
        visit.client.fetch_key(key.sid)
    except Rejected as error:
        if error.status != 404:
            raise
        return  # only the listing is old
    with suppress(Conflict), transaction.atomic(durable=True):  # another run was first
        move_key(key, KeyStep.REAPPEARED)
        title = f"Key {key.name} exists at Twilio though it was revoked"
        _alarm("key_reappeared", key, title, f"Twilio shows key {key.sid} again. The portal deletes it once more.")
        record("key.reappeared", visit.actor, key=key, reason=key.revoke_reason)
        visit.found.reappeared += 1


def _is_due(visit: Visit, key: ApiKey) -> bool:
    last = key.checked_at
    return last is None or last < timezone.now() - settings.RECONCILE_LOOK_EVERY or _was_changed(visit, key)


def _was_changed(visit: Visit, key: ApiKey) -> bool:
    """Tell whether the listing says that the key was changed since it was looked at."""
    changed = visit.listed[key.sid].date_updated
    return key.checked_at is None or (changed is not None and changed > key.checked_at - CLOCKS_APART)


def _look_at(visit: Visit, key: ApiKey) -> None:
    visit.found.compared += 1
    try:
        detail = visit.client.fetch_key(key.sid)
    except Rejected as error:
        if error.status != 404:
            raise
        _note_gone(visit, key, certain=error.code == NO_SUCH_KEY)
    else:
        _compare(visit, key, detail)


def _note_gone(visit: Visit, key: ApiKey, *, certain: bool) -> None:
    """Believe Twilio's own code. Another 404 may come from something in between: it takes a second listing."""
    if key.sid in visit.listed:
        return  # it was listed a moment ago; the next listing tells
    seen_missing_before = key.missing_since is not None and key.missing_since < visit.began_at
    if not (certain or seen_missing_before):
        compare_and_swap(key, Q(missing_since=None), missing_since=timezone.now())
        return
    with suppress(Conflict), transaction.atomic(durable=True):  # somebody revoked it just now
        move_key(key, KeyStep.VANISHED, revoke_reason=VANISHED)
        title = f"Key {key.name} was deleted outside the portal"
        _alarm("key_vanished", key, title, f"Twilio does not have key {key.sid} any more, and nobody revoked it here.")
        record("key.vanished", visit.actor, key=key, reason=VANISHED)
        visit.found.vanished += 1


def _compare(visit: Visit, key: ApiKey, detail: KeyDetail) -> None:
    """Keep what differs, and tell about each difference once."""
    different = _difference(key, detail)
    before = key.drift_json
    now = {"drift_json": different, "checked_at": timezone.now(), "missing_since": None}
    with transaction.atomic(durable=True):
        noted = compare_and_swap(key, Q(drift_json=before, state=KeyState.ACTIVE), **now)
        if not noted or different == before:
            return
        key.drift_json = different
        if not different:
            record("key.drift_cleared", visit.actor, key=key)
            visit.found.drift_cleared += 1
            return
        text = ADOPTED_DRIFTED if key.adopted_at else DRIFTED
        _alarm("key_drifted", key, f"Key {key.name} was changed outside the portal", text)
        record("key.drifted", visit.actor, key=key, details=key.drift)
        visit.found.drifted += 1


def _difference(key: ApiKey, detail: KeyDetail) -> str:
    """Return what differs at Twilio as JSON, always in the same form; empty if nothing does."""
    found: dict[str, object] = {"policy": None} if key.policy_json else {}
    if detail.policy is not None:
        found = detail.policy.departure(key.policy)
    name = detail.friendly_name or ""
    if key.friendly_name not in (name, shown_name(name)):
        found["name"] = shown_name(name)
    return json.dumps(found, sort_keys=True) if found else ""


def shown_name(name: str) -> str:
    """Return a name from outside without what cannot be shown or stored, at most as long as the portal keeps it."""
    return clean(name)[: ApiKey._meta.get_field("friendly_name").max_length]


def _alarm(what: str, key: ApiKey, title: str, text: str) -> None:
    """Tell Security, the owner and the team what became of a key at Twilio."""
    notify.notify(
        f"alarm.{what}",
        title=title,
        text=text,
        path=key.get_absolute_url(),
        people=[key.owner],
        team=key.team,
    )
