"""Compares the portal's live keys with Twilio's: which are gone, and which are not there what was approved.

A key that the listing does not have is asked for by its SID, and believed gone when Twilio answers 404 and a whole
listing begun afterwards lacks it too. Policies are not in a listing, so each key is fetched now and then, a few in each
run, those not looked at for longest first; one whose flags say that it is a Standard key has none to fetch. What
Twilio contradicts itself about is in `contradictions.py`.
"""

import json
from collections.abc import Iterator
from contextlib import suppress

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from keys_app.audit.record import record
from keys_app.core.db import compare_and_swap
from keys_app.core.errors import Conflict
from keys_app.core.times import moment
from keys_app.keys.models import ApiKey
from keys_app.keys.states import KeyState, KeyStep, move_key
from keys_app.notifications import notify
from keys_app.permissions.seen_policy import NoPolicy, SeenPolicy, departure
from keys_app.twilio_errors.table import NOT_FOUND
from keys_app.twilio_iam.errors import Rejected, clean
from keys_app.twilio_iam.types import KeySummary

from . import contradictions
from .account_run import CLOCKS_APART, Visit

COMPARING = "comparing keys"
VANISHED = "Deleted outside the portal."
DRIFTED = (
    "At Twilio it is not what was approved any more. Its page says what differs. Rotate or revoke it, or set it back "
    "at Twilio."
)
UNREADABLE = (
    "Twilio shows a policy of it that the portal cannot read, so what it may do there is not known. Look at it in "
    "Twilio's Console, and rotate or revoke it if in doubt."
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
    listed = [key for key in keys if key.sid in visit.listed]
    doubted = contradictions.doubted(visit)
    due = []
    for key in listed:
        if key.sid not in doubted and visit.listed[key.sid].is_standard:  # of those in doubt, two names may be known
            with visit.attempt(COMPARING, key.pk):
                _look_at_flags(visit, key)
        elif key.sid in doubted or _is_due(visit, key):
            due.append(key)
    due.sort(key=lambda key: (not _was_changed(visit, key), key.checked_at or key.issued_at))
    gone = []
    try:
        for key in missing + due:
            if not visit.may_look():
                break
            with visit.attempt(COMPARING, key.pk):
                gone += [key] if _look_at(visit, key) else []
    finally:
        _confirm_gone(visit, gone)


def _said_to_be_gone(visit: Visit) -> list[ApiKey]:
    """Return the revoked keys that Twilio lists though their deletion is a while ago."""
    settled = visit.began_at - settings.RECONCILE_GRACE
    gone = ApiKey.objects.filter(account=visit.account, state=KeyState.REVOKED, revoked_at__lt=settled)
    listed = [sid for sid in gone.values_list("sid", flat=True) if sid in visit.listed]
    return list(gone.filter(pk__in=listed[: settings.RECONCILE_LOOKS]).select_related("account", "team", "owner"))


def _look_at_revoked(visit: Visit, key: ApiKey) -> None:
    """See to a key that is listed though it is recorded as gone, whether Twilio shows it or answers 404.

    What was revoked is deleted again. What had vanished nobody wanted deleted: it is live again if Twilio shows it.
    """
    visit.found.compared += 1
    try:
        visit.client.fetch_key(key.sid)
    except Rejected as error:
        if error.status != 404:
            raise
        words = f"It was recorded as gone. Twilio lists it, but answers for it: {error.message}"
        contradictions.lists_what_is_gone(visit, key.sid, words, key.get_absolute_url(), after=contradictions.NOW)
        if not _had_vanished(key):
            _take_up_again(visit, key, is_shown=False)
        return
    if _had_vanished(key):
        _welcome_back(visit, key)
    else:
        _take_up_again(visit, key, is_shown=True)


def _had_vanished(key: ApiKey) -> bool:
    """Tell whether a key was found deleted, not revoked by anyone, whatever reason they gave."""
    return key.revoke_reason == VANISHED and key.revoking_since is None


def _take_up_again(visit: Visit, key: ApiKey, *, is_shown: bool) -> None:
    with suppress(Conflict), transaction.atomic(durable=True):  # another run was first
        move_key(key, KeyStep.REAPPEARED)
        if is_shown:
            title = f"Key {key.name} exists at Twilio though it was revoked"
            text = f"Twilio shows key {key.sid} again. The portal deletes it once more."
            _alarm("key_reappeared", key, title, text)
        record("key.reappeared", visit.actor, key=key, reason=key.revoke_reason)
        visit.found.reappeared += 1


def _welcome_back(visit: Visit, key: ApiKey) -> None:
    """Count a key that had vanished as live again; where its request has another by now, leave it to a person."""
    try:
        with suppress(Conflict), transaction.atomic(durable=True):
            move_key(key, KeyStep.CAME_BACK, revoke_reason="", missing_since=None)
            title = f"Key {key.name} is at Twilio again, so it counts as live"
            text = f"The portal had found key {key.sid} deleted outside. Revoke it if it is not to work."
            _alarm("key_reappeared", key, title, text)
            record("key.came_back", visit.actor, key=key)
            visit.found.reappeared += 1
    except IntegrityError:
        words = "The portal found it deleted outside, and its request has another key now. Delete it at Twilio."
        contradictions.lists_what_is_gone(visit, key.sid, words, key.get_absolute_url(), after=contradictions.NOW)


def _is_due(visit: Visit, key: ApiKey) -> bool:
    last = key.checked_at
    return last is None or last < timezone.now() - settings.RECONCILE_LOOK_EVERY or _was_changed(visit, key)


def _was_changed(visit: Visit, key: ApiKey) -> bool:
    """Tell whether the listing says that the key was changed since it was looked at."""
    changed = visit.listed[key.sid].date_updated
    return key.checked_at is None or (changed is not None and changed > key.checked_at - CLOCKS_APART)


def _look_at_flags(visit: Visit, key: ApiKey) -> None:
    """Compare a key whose listing says that it is a Standard one, if that is news or a look is due."""
    listed = visit.listed[key.sid]
    if _is_due(visit, key) or _difference(key, listed, NoPolicy.STANDARD) != key.drift_json:
        _compare(visit, key, listed, NoPolicy.STANDARD)


def _look_at(visit: Visit, key: ApiKey) -> bool:
    """Compare a key with what Twilio shows; tell whether it says that the key is gone, for a listing to confirm."""
    visit.found.compared += 1
    try:
        detail = visit.client.fetch_key(key.sid)
    except Rejected as error:
        if error.status != 404:
            raise
        return _says_gone(visit, key, error)
    listed = visit.listed.get(key.sid)
    _compare(visit, key, detail, NoPolicy.STANDARD if listed and listed.is_standard else detail.policy)
    if listed:
        contradictions.compare_with_listing(visit, detail, key.get_absolute_url())
    elif visit.began_at - key.issued_at >= settings.RECONCILE_GRACE:  # a new one may be listed late
        contradictions.lacks_what_is_there(visit, key.sid, key.get_absolute_url())
    return False


def _says_gone(visit: Visit, key: ApiKey, error: Rejected) -> bool:
    """Judge a 404; tell whether it has Twilio's own code. Another may come from something in between.

    That takes a second one in the next run, whose listing began after the first.
    """
    if key.sid in visit.listed:
        words = f"Twilio lists it, but answers for it: {error.message}"
        contradictions.lists_what_is_gone(visit, key.sid, words, key.get_absolute_url())
        return False
    visit.agree(contradictions.UNLISTED, key.sid)
    if error.code == NOT_FOUND:
        return True
    if key.missing_since is not None and key.missing_since < visit.began_at:
        _note_vanished(visit, key)
    else:
        _note_missing(key)
    return False


def _note_missing(key: ApiKey) -> None:
    compare_and_swap(key, Q(missing_since=None), missing_since=timezone.now())


def _confirm_gone(visit: Visit, keys: list[ApiKey]) -> None:
    """Believe Twilio's own 404 of keys that a whole listing, begun after it, lacks too. Raises `TwilioError`."""
    if not keys:
        return
    listed = visit.listed_now()
    for key in keys:
        with visit.attempt(COMPARING, key.pk):
            if key.sid not in listed:
                _note_vanished(visit, key)


def _note_vanished(visit: Visit, key: ApiKey) -> None:
    with suppress(Conflict), transaction.atomic(durable=True):  # somebody revoked it just now
        move_key(key, KeyStep.VANISHED, revoke_reason=VANISHED)
        title = f"Key {key.name} was deleted outside the portal"
        _alarm("key_vanished", key, title, f"Twilio does not have key {key.sid} any more, and nobody revoked it here.")
        record("key.vanished", visit.actor, key=key, reason=VANISHED)
        visit.found.vanished += 1


def _compare(visit: Visit, key: ApiKey, shown: KeySummary, seen: SeenPolicy) -> None:
    """Keep what differs, and tell about each difference once."""
    different = _difference(key, shown, seen)
    before = key.drift_json
    now = {
        "drift_json": different,
        "checked_at": timezone.now(),
        "missing_since": None,
        "twilio_updated_at": shown.date_updated,
    }
    with transaction.atomic(durable=True):
        noted = compare_and_swap(key, Q(drift_json=before, state=KeyState.ACTIVE), **now)
        if not noted or different == before:
            return
        key.drift_json, key.twilio_updated_at = different, shown.date_updated
        if different:
            _tell_of_drift(visit, key)
        else:
            record("key.drift_cleared", visit.actor, key=key)
            visit.found.drift_cleared += 1


def _tell_of_drift(visit: Visit, key: ApiKey) -> None:
    """Alarm, record and count a difference, inside the transaction that keeps it."""
    at = key.twilio_updated_at
    _alarm("key_drifted", key, _drift_title(key), " ".join(_sentences_on_drift(key)))
    record("key.drifted", visit.actor, key=key, details={**key.drift, **({"date_updated": at} if at else {})})
    if key.is_changed:
        visit.found.drifted += 1
    else:
        visit.found.unreadable += 1


def _drift_title(key: ApiKey) -> str:
    """Return in one line what is different about a key at Twilio."""
    if key.is_standard:
        return f"Key {key.name} is a Standard key at Twilio, with full access"
    if not key.is_changed:
        return f"The policy of key {key.name} at Twilio cannot be read"
    return f"Key {key.name} was changed outside the portal"


def _sentences_on_drift(key: ApiKey) -> Iterator[str]:
    if key.is_standard:
        yield "Twilio shows no policy of it: it may do nearly everything on the account."
    if key.is_unreadable:
        yield UNREADABLE
    if key.is_changed:
        yield ADOPTED_DRIFTED if key.adopted_at else DRIFTED
    if key.twilio_updated_at:
        yield f"Twilio says that it was last changed at {moment(key.twilio_updated_at)}."


def _difference(key: ApiKey, shown: KeySummary, seen: SeenPolicy) -> str:
    """Return what differs at Twilio as JSON, always in the same form; empty if nothing does."""
    found = departure(seen, key.policy if key.policy_json else None)
    name = shown.friendly_name or ""
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
