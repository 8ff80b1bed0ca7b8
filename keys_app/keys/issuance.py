"""An attempt to make a key: written down before Twilio is asked, and what became of it afterwards.

What the user reads when that is not known is in `unknown`, after what `twilio_iam` says happened.
"""

import logging
from collections.abc import Collection

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from keys_app.audit.installation import identity_on
from keys_app.audit.record import record
from keys_app.core.actor import Actor
from keys_app.core.db import compare_and_swap, lock_row
from keys_app.core.errors import Conflict, MarkNotKept, TwilioOutcomeUnknown
from keys_app.key_requests.models import Issuance, KeyRequest
from keys_app.key_requests.states import OPEN_ISSUANCES, IssuanceState, RequestState, move_request, step_after
from keys_app.permissions.naming import new_marker
from keys_app.twilio_iam.errors import TwilioError

log = logging.getLogger(__name__)

_RECONCILED = (
    "The portal compares its records with Twilio's list, deletes a key nobody has the secret of, and then lets "
    "you press “{button}” again. {rest}You need not do anything; the request's page shows when it is done."
)


def begin_attempt(key_request: KeyRequest, incarnation: str, **values: object) -> Issuance:
    """Write the intent with a marker of its own. Call it inside T1, with the request locked and moved to issuing."""
    number, marker = _next_attempt(key_request, incarnation)
    return Issuance.objects.create(
        request=key_request,
        number=number,
        marker=marker,
        incarnation=incarnation,
        started_at=timezone.now(),
        **values,
    )


def _next_attempt(key_request: KeyRequest, incarnation: str) -> tuple[int, str]:
    """Return the number of a request's next attempt, and a marker that no attempt has."""
    mine = identity_on(incarnation)
    while True:
        marker = new_marker(mine)
        rows = Issuance.objects.filter(Q(request=key_request) | Q(marker=marker))
        known = list(rows.values_list("request", "marker"))
        if all(one != marker for _, one in known):
            return len(known) + 1, marker


def close_issuance(
    issuance: Issuance,
    outcome: IssuanceState,
    *,
    expected: Collection[IssuanceState] = OPEN_ISSUANCES,
    **values: object,
) -> KeyRequest:
    """Move an attempt from one of the `expected` states to `outcome`, under a lock on its request.

    Returns the request. Raises `Conflict` if somebody else has settled the attempt. Call it inside a
    transaction.
    """
    key_request = lock_row(KeyRequest, issuance.request_id)
    still_open = Q(state__in=expected, request__state=RequestState.ISSUING)
    if not compare_and_swap(issuance, still_open, state=outcome, finished_at=timezone.now(), **values):
        raise Conflict("This attempt was settled meanwhile.")
    return key_request


def claim_for_deletion(issuance: Issuance, sid: str) -> bool:
    """Note which key of an attempt is deleted now; an open one is unknown from then on. Tell whether it is as read."""
    as_read = Q(orphan_sid=issuance.orphan_sid)
    if issuance.state in OPEN_ISSUANCES:
        still_open = as_read & Q(state__in=OPEN_ISSUANCES)
        return compare_and_swap(issuance, still_open, state=IssuanceState.UNKNOWN, orphan_sid=sid)
    return compare_and_swap(issuance, as_read, orphan_sid=sid)


def move_on(issuance: Issuance, key_request: KeyRequest, outcome: IssuanceState, **values: object) -> None:
    """Move the request to where this outcome leaves it. Unknown leaves it issuing."""
    if step := step_after(outcome, rotation=issuance.rotates_id is not None):
        move_request(key_request, step, **values)


def settle(
    issuance: Issuance,
    outcome: IssuanceState,
    actor: Actor,
    error: TwilioError | MarkNotKept,
    code: int | None = None,
) -> None:
    """T2 without a key: commit what became of the attempt, unless the reconciler has settled it meanwhile.

    Raises `TwilioOutcomeUnknown` if that cannot be written: then the reconciler finds it out.
    """
    message = error.message if isinstance(error, MarkNotKept) else error.kept
    try:
        with transaction.atomic(durable=True):
            key_request = close_issuance(issuance, outcome, twilio_code=code, message=message[:400])
            move_on(issuance, key_request, outcome)
            record(
                f"key.{'rotate' if issuance.rotates_id else 'issue'}_{outcome.value}",
                actor,
                key_request=key_request,
                key_sid=issuance.rotates_id or "",
                marker=issuance.marker,
                twilio_code=code,
                message=message,
            )
    except Conflict:
        log.info("attempt %s was settled by the reconciler meanwhile", issuance.marker)
    except Exception:
        log.exception("the outcome of attempt %s could not be recorded; the reconciler will settle it", issuance.marker)
        raise unknown(issuance, f"{error.message.rstrip('.')}. That could not be recorded.") from None


def unknown(issuance: Issuance, what: str) -> TwilioOutcomeUnknown:
    """Return the error that says that a key may exist whose secret is lost."""
    rotation = issuance.rotates_id is not None
    next_step = _RECONCILED.format(
        button="Rotate key" if rotation else "Issue key", rest="The old key stays as it is. " if rotation else ""
    )
    return TwilioOutcomeUnknown(
        f"{what} It is not known whether Twilio made a key. If it did, its secret is lost.", next_step=next_step
    )
