"""A key that Twilio made otherwise than approved: never shown, deleted, and Security is told.

It is a Standard key, or its policy cannot be read, or is another one: texts, events and alarms say which.

It is written down before it is deleted: in the database or, where that fails, in a file beside the checkpoints, which
the reconciler enters. What cannot be written down stays at Twilio, where the reconciler finds it by its marker.
"""

import json
import logging
from contextlib import suppress

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from keys_app.audit.merkle.checkpoint_files import BREACHES, write_new
from keys_app.audit.record import record
from keys_app.core.actor import Actor
from keys_app.core.db import compare_and_swap, lock_row
from keys_app.core.errors import Conflict, PolicyBreach
from keys_app.core.isolation import isolated
from keys_app.key_requests.models import Issuance, KeyRequest
from keys_app.key_requests.states import IssuanceState
from keys_app.notifications import notify
from keys_app.permissions.policy import Policy
from keys_app.permissions.seen_policy import NoPolicy, SeenPolicy, departure, made_in_words
from keys_app.twilio_iam.client import TwilioIamClient
from keys_app.twilio_iam.ensure_deleted import delete_key
from keys_app.twilio_iam.errors import TwilioError

from .issuance import close_issuance, move_on

log = logging.getLogger(__name__)

APPROVED = "the approved one"


def withdraw(client: TwilioIamClient, issuance: Issuance, key_sid: str, seen: SeenPolicy, actor: Actor) -> PolicyBreach:
    """Delete a key of which Twilio says `seen`, not what was approved; return the error that says so.

    Raises nothing: whatever fails here, the reconciler takes up.
    """
    made = made_in_words(seen, APPROVED)
    log.error("key %s is not what was approved: %s", key_sid, made)
    if not (_note(issuance, key_sid, seen, actor) or _keep(issuance, key_sid, seen)):
        return PolicyBreach(
            f"{made}. It was not shown, but could not be recorded or deleted yet.",
            next_step="The portal keeps retrying. Tell Security about it.",
        )
    try:
        delete_key(client, key_sid)  # a 404 proves nothing of a key just made: the reconciler looks further
    except TwilioError:
        return PolicyBreach(
            f"{made}. It was not shown, but could not be deleted yet.",
            next_step="The portal keeps retrying until it is deleted. Security has to look at this.",
        )
    _settle(issuance, key_sid, actor)
    return PolicyBreach(
        f"{made}. It was deleted immediately and never shown.",
        next_step="Tell Security before you try again.",
    )


def note_breach(issuance: Issuance, key_sid: str, seen: SeenPolicy, actor: Actor) -> None:
    """Record once for an attempt that its key is not as approved, and alarm Security. An open attempt stays open."""
    made = made_in_words(seen, APPROVED)
    with transaction.atomic(durable=True):
        key_request = lock_row(KeyRequest, issuance.request_id)
        if not compare_and_swap(issuance, Q(key_sid=""), key_sid=key_sid):
            return
        with suppress(Conflict):  # a key may turn up after its attempt was closed
            close_issuance(issuance, IssuanceState.UNKNOWN, message=made)
        notify.notify(
            "alarm.policy_breach",
            title=f"{made}: {key_sid}",
            text="It was not shown to anybody. The portal deletes it; look at the account if it does not succeed.",
            path=key_request.get_absolute_url(),
        )
        found = departure(seen, key_request.policy)
        record(
            "key.policy_breach", actor, key_request=key_request, key_sid=key_sid, marker=issuance.marker, details=found
        )


def _note(issuance: Issuance, key_sid: str, seen: SeenPolicy, actor: Actor) -> bool:
    try:
        note_breach(issuance, key_sid, seen, actor)
    except Exception:
        log.exception("that key %s is not as approved could not be recorded", key_sid)
        return False
    return True


def _settle(issuance: Issuance, key_sid: str, actor: Actor) -> None:
    """T2 after the deletion. An attempt whose breach is in a file alone stays open until the reconciler has it."""
    try:
        with transaction.atomic(durable=True):
            if not Issuance.objects.filter(pk=issuance.pk, key_sid=key_sid).exists():
                return
            key_request = close_issuance(issuance, IssuanceState.BREACH)
            move_on(issuance, key_request, IssuanceState.BREACH)
            record("key.breach_deleted", actor, key_request=key_request, key_sid=key_sid, marker=issuance.marker)
    except Exception:
        log.exception("the deletion of key %s could not be recorded; the reconciler will settle it", key_sid)


def _keep(issuance: Issuance, key_sid: str, seen: SeenPolicy) -> bool:
    """Write a breach into a file; tell whether it is on the disk."""
    policy = seen.value if isinstance(seen, NoPolicy) else seen.to_json()
    content = {"marker": issuance.marker, "key_sid": key_sid, "policy": policy}
    try:
        settings.CHECKPOINT_DIR.mkdir(parents=True, exist_ok=True)
        write_new(settings.CHECKPOINT_DIR / f"{BREACHES}{issuance.marker}", json.dumps(content).encode())
    except OSError:
        log.exception("nor could it be written into a file; the reconciler looks at key %s before deleting it", key_sid)
        return False
    return True


def enter_kept(actor: Actor) -> None:
    """Record the breaches that are in files, and remove those."""
    for path in sorted(settings.CHECKPOINT_DIR.glob(f"{BREACHES}*")):
        with isolated("recording breaches kept in files", path.name):
            kept = json.loads(path.read_text())
            seen = _as_kept(kept["policy"])
            note_breach(Issuance.objects.get(marker=kept["marker"]), kept["key_sid"], seen, actor)
            path.unlink(missing_ok=True)


def _as_kept(policy: str) -> SeenPolicy:
    """Read what `_keep` wrote of a policy. Until 0.9.4 that was nothing for one that was null or could not be read."""
    if policy in ("", *NoPolicy):
        return NoPolicy(policy or NoPolicy.STANDARD)
    return Policy.from_json(policy)
