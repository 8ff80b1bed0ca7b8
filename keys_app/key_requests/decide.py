"""Deciding requests. A decision changes a state and nothing else; Twilio is not called."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from keys_app.audit.record import record
from keys_app.core.actor import Actor, name_and_login
from keys_app.core.errors import Conflict, InvalidInput, NotAllowed, PortalError
from keys_app.core.present import present
from keys_app.core.text import check_reason, counted, require_reason
from keys_app.organisation import access
from keys_app.permissions.policy import Policy
from keys_app.permissions.risk import Risk, policy_risk

from . import deciders, turn
from .approval_policy import ApprovalRequirement, approvals_given
from .content_digest import content_digest
from .deciders import DecisionAuthority
from .decision_models import Approval, Narrowing
from .models import KeyRequest
from .notices import Audience, request_decided, request_narrowed, second_approval_needed
from .queries import lock_request
from .rating import rate_again
from .states import RequestStep, move_request
from .submit import guard_rail_problems

_RATING = Actor.system("risk rating")


@dataclass(frozen=True, slots=True)
class _Deciding:
    """A request that is locked, who decides it in whose right, the approvals of it that stood before, whom it tells."""

    key_request: KeyRequest
    actor: Actor
    authority: DecisionAuthority
    given: Sequence[Approval]
    audience: Audience | None = None


def approve(*, request_id: uuid.UUID, digest: str, actor: Actor, reason: str = "") -> KeyRequest:
    """Approve what was shown. `digest` is the `content_digest` of the page the approver decided on.

    A request that needs another approval stays pending. Raises `NotAllowed` if this person may not decide
    it, `Conflict` if it was decided meanwhile, is not what was shown, or could not be issued any more, and
    `InvalidInput` for a reason that is too long.
    """
    reason = check_reason(reason)
    audience = _before_the_lock(request_id)
    with transaction.atomic(durable=True):
        deciding = _lock_for_decision(request_id, actor, audience)
        key_request = deciding.key_request
        if key_request.current_digest != digest:
            raise Conflict(_not_as_shown(key_request, digest))
        if problem := why_not_approvable(key_request):  # it could not be issued
            raise Conflict(problem)
        _give(deciding, reason)
    return key_request


def approve_several(*, shown: Sequence[tuple[uuid.UUID, str]], actor: Actor) -> list[tuple[KeyRequest, str]]:
    """Approve requests of low risk one by one, each as `approve` does with the digest that was shown.

    Returns each request with what went wrong, or an empty text. One that cannot be approved stops no other.
    """
    outcome = []
    for request_id, digest in shown:
        key_request = KeyRequest.objects.get(pk=request_id)
        try:
            if key_request.rated_risk != Risk.LOW:
                raise NotAllowed("Only requests of low risk are approved together.")
            outcome.append((approve(request_id=request_id, digest=digest, actor=actor), ""))
        except PortalError as error:
            outcome.append((key_request, error.message))
    return outcome


def narrow(
    *, request_id: uuid.UUID, digest: str, policy: Policy, lifetime_days: int, reason: str, actor: Actor
) -> KeyRequest:
    """Approve less than what was shown: fewer permissions, a shorter lifetime, or both.

    The requester accepts it by issuing. Raises as `approve`, and `InvalidInput` for no reason, for nothing
    taken away, or for anything that was not asked for.
    """
    reason = require_reason(reason)
    audience = _before_the_lock(request_id)
    with transaction.atomic(durable=True):
        deciding = _lock_for_decision(request_id, actor, audience)
        key_request = deciding.key_request
        if key_request.current_digest != digest:
            raise Conflict(_not_as_shown(key_request, digest))
        _require_narrower(key_request, policy, lifetime_days)
        step = _narrow(key_request, policy, lifetime_days, reason, actor)
        if problem := why_not_approvable(key_request):
            raise Conflict(problem)
        _give(deciding, reason, step)
    return key_request


def reject(*, request_id: uuid.UUID, reason: str, actor: Actor) -> KeyRequest:
    """Reject a request. Raises `InvalidInput` without a reason, otherwise as `approve`."""
    reason = require_reason(reason)
    audience = _before_the_lock(request_id)
    with transaction.atomic(durable=True):
        deciding = _lock_for_decision(request_id, actor, audience)
        key_request = deciding.key_request
        _store(deciding, Approval.Decision.REJECTED, reason)
        move_request(key_request, RequestStep.REJECT)
        request_decided(key_request, actor, Approval.Decision.REJECTED, reason, audience)
        record("request.rejected", actor, key_request=key_request, reason=reason, details=_as(deciding))
    return key_request


def _before_the_lock(request_id: uuid.UUID) -> Audience:
    """Rate the request as it is rated today, and read whom a decision may be told."""
    key_request = KeyRequest.objects.select_related("requester", "account").get(pk=request_id)
    if key_request.rated_risk != key_request.risk:
        rate_again(request_id, _RATING)
    more_than_one = ApprovalRequirement.now(key_request).total > 1
    return Audience.of(key_request) if more_than_one else Audience.requester(key_request)


def _lock_for_decision(request_id: uuid.UUID, actor: Actor, audience: Audience) -> _Deciding:
    """Read the request under a lock, with the actor's right to decide it and the approvals that stand now."""
    key_request = lock_request(request_id)
    if closed := deciders.why_closed(key_request):
        raise Conflict(f"{closed} Your decision was not recorded.")
    given = deciders.approvals_of([key_request]).get(key_request.pk, [])
    who = access.Person(actor.signed_in)
    authority = deciders.authority_to_decide(who, key_request, given)
    if authority is None:
        raise NotAllowed(turn.why_not_decidable(who, key_request))
    return _Deciding(key_request, actor, authority, given, audience)


def _not_as_shown(key_request: KeyRequest, digest: str) -> str:
    """Say what is different now from what the page showed."""
    changes = " ".join(_told(step) for step in deciders.narrowed_since(key_request, digest))
    return (
        f"The request is not what this page showed, so nothing was approved. {changes} "
        "Read it again before you decide.".replace("  ", " ")
    )


def _told(step: Narrowing) -> str:
    parts = []
    if step.difference.removed:
        parts.append(f"took away {', '.join(step.difference.removed)}")
    if step.shortens:
        to = counted(step.to_lifetime_days, "day")
        parts.append(f"shortened the lifetime from {step.from_lifetime_days} to {to}")
    return f"{name_and_login(step.approver)} {' and '.join(parts)}."


def why_not_grantable(key_request: KeyRequest) -> str:
    """Return why no one can approve this request now, as it is or narrowed; empty if someone can."""
    if not key_request.account.is_active:
        return "The Twilio account of this request is switched off. Reject the request, or wait for it."
    if not key_request.requester.is_active:
        return "The requester can no longer sign in. Reject the request."
    return ""


def why_not_approvable(key_request: KeyRequest) -> str:
    """Return why no one can approve this request as it is; empty if someone can."""
    return why_not_grantable(key_request) or guard_rail_problems(key_request)


def _require_narrower(key_request: KeyRequest, policy: Policy, lifetime_days: int) -> None:
    difference = policy.since(key_request.policy)
    if difference.added:
        raise InvalidInput("permissions", f"This was not asked for: {', '.join(difference.added)}.")
    if not len(policy):
        raise InvalidInput("permissions", "Leave at least one permission, or reject the request.")
    if not 1 <= lifetime_days <= key_request.lifetime_days:
        raise InvalidInput("lifetime_days", f"Choose 1 to {counted(key_request.lifetime_days, 'day')}.")
    if not difference.removed and lifetime_days == key_request.lifetime_days:
        raise InvalidInput("permissions", "Take a permission away or shorten the lifetime; or press Approve.")


def _narrow(key_request: KeyRequest, policy: Policy, lifetime_days: int, reason: str, actor: Actor) -> Narrowing:
    """Write the step, then the request as it is after it; triggers compare the two."""
    step = Narrowing.objects.create(
        request=key_request,
        approver=actor.signed_in,
        from_policy_json=key_request.policy_json,
        to_policy_json=policy.to_json(),
        from_lifetime_days=key_request.lifetime_days,
        to_lifetime_days=lifetime_days,
        from_digest=key_request.content_digest,
        to_digest=content_digest(
            account_sid=key_request.account_id,
            friendly_name=key_request.friendly_name,
            lifetime_days=lifetime_days,
            policy=policy,
        ),
        reason=reason,
        created_at=timezone.now(),
    )
    key_request.policy_json, key_request.lifetime_days = step.to_policy_json, lifetime_days
    key_request.content_digest, key_request.risk = step.to_digest, policy_risk(policy)
    key_request.save(update_fields=["policy_json", "lifetime_days", "content_digest", "risk"])
    return step


def _give(deciding: _Deciding, reason: str, step: Narrowing | None = None) -> None:
    """Store an approval of what the request is now, and move it on if it was the last one needed."""
    key_request, actor, audience = deciding.key_request, deciding.actor, present(deciding.audience)
    approval = _store(deciding, Approval.Decision.APPROVED, reason)
    required = ApprovalRequirement.now(key_request)
    given = approvals_given(key_request, [*deciding.given, approval]) if deciding.given else [approval]
    last = not any(required.missing([one.capacity for one in given]))
    if last:
        now = timezone.now()
        lapses = now + settings.APPROVAL_LAPSES_AFTER
        move_request(
            key_request, RequestStep.APPROVE, approved_at=now, claim_until=lapses, leads_required=required.leads
        )
    else:  # an approval given towards two leads stays one of two
        KeyRequest.objects.filter(pk=key_request.pk).update(leads_required=required.leads)
    if step:
        request_narrowed(key_request, actor, step.difference.removed, reason, audience)
    elif last:
        request_decided(key_request, actor, Approval.Decision.APPROVED, reason, audience)
    if not last:
        second_approval_needed(key_request, actor, [*deciding.given, approval], audience)
    if step:
        record(
            "request.narrowed",
            actor,
            key_request=key_request,
            reason=reason,
            removed=list(step.difference.removed),
            lifetime_from=step.from_lifetime_days,
            lifetime_to=step.to_lifetime_days,
        )
    record(
        "request.approved" if last else "request.approval_given",
        actor,
        key_request=key_request,
        reason=reason,
        approval=approval.stage,
        needed=required.total,
        digest=key_request.content_digest,
        details=_as(deciding),
    )


def _as(deciding: _Deciding) -> dict[str, object]:
    """Return in which capacity somebody decided, for the ledger."""
    authority = deciding.authority
    if authority.authority_id == deciding.actor.signed_in.pk:
        return {"capacity": str(authority.capacity)}
    lead = User.objects.get(pk=authority.authority_id)  # the actor's own class is a lazy wrapper in a web request
    return {"capacity": str(authority.capacity), "for": lead.get_username()}


def _store(deciding: _Deciding, decision: str, reason: str) -> Approval:
    """Write a decision, with the first number no standing approval has: it takes the place of a void one."""
    taken, key_request = {one.stage for one in deciding.given}, deciding.key_request
    return Approval.objects.create(
        request=key_request,
        approver=deciding.actor.user,
        authority_id=deciding.authority.authority_id,
        capacity=deciding.authority.capacity,
        decision=decision,
        stage=next(number for number in count(1) if number not in taken),
        content_digest=key_request.current_digest,
        reason=reason,
        created_at=timezone.now(),
    )


def review(*, request_id: uuid.UUID, reason: str, actor: Actor) -> KeyRequest:
    """Note that somebody has looked at a broken glass, with what they found.

    Raises `InvalidInput` without it, `NotAllowed` for who may not review it, `Conflict` if it is reviewed.
    """
    reason = require_reason(reason)
    with transaction.atomic(durable=True):
        key_request = lock_request(request_id)
        if not key_request.needs_review:
            raise Conflict("There is nothing to review: no glass was broken, or somebody has reviewed it.")
        authority = deciders.authority_to_review(access.Person(actor.signed_in), key_request)
        if authority is None:
            raise NotAllowed("Another lead of the team, or Security, reviews this. Nobody reviews their own.")
        given = deciders.approvals_of([key_request]).get(key_request.pk, [])
        deciding = _Deciding(key_request, actor, authority, given)
        _store(deciding, Approval.Decision.REVIEWED, reason)
        record("request.reviewed", actor, key_request=key_request, reason=reason, details=_as(deciding))
    return key_request
