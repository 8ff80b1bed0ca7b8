"""Deciding requests. An approval changes a state and nothing else; Twilio is not called."""

import uuid

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from .. import selectors
from ..domain.errors import Conflict, NotAllowed
from ..domain.states import RequestState
from ..models import Approval, KeyRequest
from .actors import Actor, record
from .notice_texts import request_decided, second_approval_needed
from .reasons import require_reason
from .requests import current_digest, require_guard_rails
from .transitions import move_request


def approve(*, request_id: uuid.UUID, digest: str, actor: Actor, reason: str = "") -> KeyRequest:
    """Approve what was shown. `digest` is the `content_digest` of the page the approver decided on.

    A critical request stays pending after its first approval. Raises `NotAllowed` if this person may
    not decide it, `Conflict` if it was decided meanwhile or is not what was shown.
    """
    with transaction.atomic(durable=True):
        key_request = _lock_for_decision(request_id, actor)
        if current_digest(key_request) != digest:
            raise Conflict(
                "The request is not what this page showed, so nothing was approved. Read it again before you decide."
            )
        require_guard_rails(key_request)
        given = key_request.approvals.count() + 1
        needed = selectors.approvals_needed(key_request)
        _store(key_request, actor, Approval.Decision.APPROVED, digest, stage=given, reason=reason)
        details = {"reason": reason, "approval": given, "needed": needed, "digest": digest}
        if given < needed:
            second_approval_needed(key_request, actor)
            record("request.approval_given", actor, key_request=key_request, **details)
            return key_request
        now = timezone.now()
        move_request(
            key_request,
            RequestState.APPROVED,
            approved_at=now,
            claim_until=now + settings.APPROVAL_LAPSES_AFTER,
        )
        request_decided(key_request, actor, Approval.Decision.APPROVED, reason)
        record("request.approved", actor, key_request=key_request, **details)
    return key_request


def reject(*, request_id: uuid.UUID, reason: str, actor: Actor) -> KeyRequest:
    """Reject a request. Raises `InvalidInput` without a reason, otherwise as `approve`."""
    require_reason(reason)
    with transaction.atomic(durable=True):
        key_request = _lock_for_decision(request_id, actor)
        _store(
            key_request,
            actor,
            Approval.Decision.REJECTED,
            current_digest(key_request),
            stage=key_request.approvals.count() + 1,
            reason=reason,
        )
        move_request(key_request, RequestState.REJECTED)
        request_decided(key_request, actor, Approval.Decision.REJECTED, reason)
        record("request.rejected", actor, key_request=key_request, reason=reason)
    return key_request


def _lock_for_decision(request_id: uuid.UUID, actor: Actor) -> KeyRequest:
    """Read the request under a lock, with the actor's rights as they are now."""
    key_request = KeyRequest.objects.select_for_update(no_key=True).get(pk=request_id)
    if key_request.state != RequestState.PENDING:
        raise Conflict(_already(key_request))
    if key_request.created_at < timezone.now() - settings.PENDING_LAPSES_AFTER:
        raise Conflict("Nobody decided this request in time, so it lapses. The requester can send it again.")
    refusal = selectors.why_not_decidable(selectors.Person(actor.user), key_request)
    if refusal:
        raise NotAllowed(refusal)
    return key_request


def _already(key_request: KeyRequest) -> str:
    last = key_request.approvals.select_related("approver").last()
    state = key_request.get_state_display().lower()
    if last is None or key_request.state in (RequestState.CANCELLED, RequestState.LAPSED):
        return f"This request is {state}. There is nothing to decide."
    return (
        f"This request is {state}: {selectors.display_name(last.approver)} decided it at "
        f"{last.created_at:%Y-%m-%d %H:%M} UTC. Your decision was not recorded."
    )


def _store(key_request: KeyRequest, actor: Actor, decision: str, digest: str, *, stage: int, reason: str = "") -> None:
    Approval.objects.create(
        request=key_request,
        approver=actor.user,
        decision=decision,
        stage=stage,
        content_digest=digest,
        reason=reason,
        created_at=timezone.now(),
    )
