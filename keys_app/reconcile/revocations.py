"""Deletes at Twilio the keys whose revocation is recorded, and decides when a 404 is the end of one."""

from django.conf import settings

from keys_app.core.errors import Conflict
from keys_app.core.isolation import note_failure
from keys_app.keys.models import ApiKey
from keys_app.keys.revoke import carry_out, record_end
from keys_app.keys.states import KeyState
from keys_app.twilio_iam.ensure_deleted import SaysGone, require_gone
from keys_app.twilio_iam.errors import TwilioError

from . import holds
from .account_run import ITSELF, Visit, is_about_all

DELETING = "deleting keys"


def carry_out_revocations(visit: Visit) -> None:
    """Delete what is to be deleted, in no order, so that one key that cannot be deleted does not keep others.

    Raises `TwilioError` where Twilio does not answer, or not to this credential.
    """
    revoking = ApiKey.objects.filter(account=visit.account, state=KeyState.REVOKING).select_related("account", "team")
    if visit.held or not visit.incarnation:
        revoking = revoking.exclude(pk__in=holds.held_deletions().values("pk"))
    waiting = list(revoking.order_by("?")[: settings.RECONCILE_DELETES])
    said_gone: dict[str, SaysGone] = {}
    try:
        for number, key in enumerate(waiting):
            if not visit.may_delete():
                return
            _delete(visit, key, said_gone, others=len(waiting) - number - 1)
    finally:
        _settle([key for key in waiting if key.sid in said_gone], said_gone, visit)


def _delete(visit: Visit, key: ApiKey, said_gone: dict[str, SaysGone], *, others: int) -> None:
    """Delete one key. `others` come after it: they have to wait too where Twilio does not answer."""
    found = visit.found
    try:
        carry_out(visit.client, key, visit.actor)
        found.revoked += 1
    except Conflict:
        return
    except SaysGone as error:
        said_gone[key.sid] = error
    except TwilioError as error:
        found.not_revoked += 1
        visit.note_words(key.sid, error)
        if is_about_all(error):
            found.not_revoked += others
            raise
        visit.problem = visit.problem or error.message
    except Exception as error:  # noqa: BLE001 whatever it is about this key, the others must still be deleted
        found.not_revoked += 1
        visit.problem = visit.problem or ITSELF
        note_failure(f"{DELETING} on {visit.account}", key.pk, error)


def _settle(keys: list[ApiKey], said_gone: dict[str, SaysGone], visit: Visit) -> None:
    """Record as gone what Twilio answered 404 for, and neither lists, in a listing begun after that, nor shows."""
    if not keys:
        return
    visit.found.not_revoked += len(keys)
    for key in keys:
        visit.note_words(key.sid, said_gone[key.sid])
    listed = visit.listed_now()
    for key in keys:
        with visit.attempt(DELETING, key.pk):
            require_gone(visit.client, key.sid, said_gone[key.sid], is_listed=key.sid in listed)
            record_end(key, visit.actor)
            visit.found.not_revoked -= 1
            visit.found.revoked += 1
