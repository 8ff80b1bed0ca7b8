"""Rating open requests again: a release, or an operator's addition, may rate higher what they ask for than it was."""

import uuid

from django.db import transaction

from keys_app.audit.record import record
from keys_app.core.actor import Actor
from keys_app.core.db import lock_row
from keys_app.core.isolation import isolated

from .approvals_today import approvals_today
from .models import KeyRequest
from .reopen import reopen_void
from .states import RequestState, RequestStep

RATING_AGAIN = "rating open requests again"


def rate_again(request_id: uuid.UUID, actor: Actor) -> bool:
    """Store the risk as rated today, with an event, where that is higher than before; tell whether it is.

    A request whose approvals no longer suffice for it goes back to those who approve, and its requester is told. What
    is issued, or has ended without a key, keeps the risk it had.
    """
    with transaction.atomic(durable=True):
        key_request = lock_row(KeyRequest, request_id)
        was = key_request.risk
        if key_request.state not in RequestStep.REOPEN.before or key_request.rated_risk == was:
            return False
        today = None if key_request.state == RequestState.PENDING else approvals_today(key_request)
        if today and not today.suffices:
            reopen_void(key_request, today, actor)  # it stores the risk, and its event says why
            return True
        KeyRequest.objects.filter(pk=request_id).update(risk=key_request.rated_risk)
        key_request.refresh_from_db()
        record_rating(key_request, was, actor)
    return True


def record_rating(key_request: KeyRequest, was: str, actor: Actor) -> None:
    """Append the event that says what a request was rated before and is rated now; none if that is the same."""
    if key_request.risk != was:
        reason = f"The risk is rated {key_request.risk} today; it was {was}."
        record("request.rated", actor, key_request=key_request, reason=reason, risk_before=was)


def rate_open_requests(actor: Actor) -> int:
    """Rate every request again that still waits for a decision or a key; return how many are rated higher."""
    found = 0
    for key_request in KeyRequest.objects.filter(state__in=RequestStep.REOPEN.before):
        with isolated(RATING_AGAIN, key_request.pk):
            if key_request.rated_risk != key_request.risk:
                found += rate_again(key_request.pk, actor)
    return found
