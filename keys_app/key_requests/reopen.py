"""Sending a request back to its approvers: an approval was withdrawn, or what was approved no longer holds."""

import uuid

from django.db import transaction
from django.utils import timezone

from keys_app.audit.record import record
from keys_app.core.actor import Actor, name_and_login
from keys_app.core.errors import ApprovalNeeded, Conflict, InvalidInput, NotAllowed
from keys_app.core.text import require_reason
from keys_app.organisation import access

from . import approvals_today, deciders, turn
from .approval_policy import ApprovalRequirement, rated_today
from .decision_models import Approval
from .models import KeyRequest
from .notices import approval_void, approval_withdrawn
from .queries import lock_request
from .states import RequestState, RequestStep, move_request


def reopen_void(key_request: KeyRequest, today: approvals_today.ApprovalsToday, actor: Actor) -> ApprovalNeeded:
    """Move a request whose approvals no longer suffice back to pending, and return the error that says so.

    What still holds keeps counting; what does not is marked void, so that its approver can decide again once they
    have the right. Call it with the request locked, and raise the error after the commit.
    """
    reason = " ".join(today.reasons)
    reopen(key_request, reason)
    for approval, why in today.lost:
        make_void(approval, why)
    due = deciders.decisions_due([key_request]).get(key_request.pk)
    approval_void(key_request, reason, due)
    lost = [{"by": _name(approval), "why": why} for approval, why in today.lost]
    needed = ApprovalRequirement.now(key_request).total
    record("request.approval_void", actor, key_request=key_request, reason=reason, void=lost, needed=needed)
    whose_turn = turn.decided_by(due)
    return ApprovalNeeded(f"No key was made, and the request is pending again. {reason} {whose_turn}")


def withdraw(*, request_id: uuid.UUID, reason: str, actor: Actor, approval_id: int | None = None) -> KeyRequest:
    """Withdraw an approval, or break-glass access, before the key is issued; the request is pending afterwards.

    `approval_id` names the approval; without it the actor's own, or the only one they may withdraw. Raises
    `InvalidInput` without a reason or where several could be meant, `Conflict` once a key is being made or is
    issued or the approval no longer counts, `NotAllowed` for who may withdraw none.
    """
    reason = require_reason(reason)
    with transaction.atomic(durable=True):
        key_request = lock_request(request_id)
        _require_not_issued(key_request)
        approval = _chosen(access.Person(actor.signed_in), key_request, approval_id)
        by = name_and_login(actor.signed_in)
        reopen(key_request, f"{by} withdrew {_whose(approval, actor)}: “{reason}”")
        if approval:
            make_void(approval, reason, actor)
        approval_withdrawn(key_request, actor, reason, deciders.decisions_due([key_request]).get(key_request.pk))
        of = _name(approval) if approval else "break-glass access"
        needed = ApprovalRequirement.now(key_request).total
        record("request.approval_withdrawn", actor, key_request=key_request, reason=reason, of=of, needed=needed)
    return key_request


def _require_not_issued(key_request: KeyRequest) -> None:
    if key_request.state in RequestStep.REOPEN.before:
        return
    if key_request.state == RequestState.ISSUING:
        raise Conflict(
            "“Issue key” was pressed and the portal is asking Twilio, so nothing was withdrawn. Once the key is "
            "issued, revoke it on its page; if none was made, withdraw then."
        )
    if key_request.state == RequestState.ISSUED:
        raise Conflict("The key was issued, so its approval can't be withdrawn any more. Revoke the key on its page.")
    raise Conflict(f"This request is {key_request.get_state_display().lower()}. There is no approval to withdraw.")


def _chosen(who: access.Person, key_request: KeyRequest, approval_id: int | None) -> Approval | None:
    """Return the approval that is meant; None for break-glass access."""
    if deciders.may_withdraw(who, key_request, None):
        return None
    given = key_request.approvals.standing().select_related("approver")
    found = [one for one in given if deciders.may_withdraw(who, key_request, one)]
    if approval_id is not None:
        found = [one for one in found if one.pk == approval_id]
    elif len(found) > 1:
        found = [one for one in found if one.approver_id == who.user.pk] or found
    if len(found) > 1:
        raise InvalidInput("approval", "Choose which approval you withdraw.")
    if found:
        return found[0]
    if key_request.requester_id == who.user.pk:
        raise NotAllowed("This is your own request. Cancel it if you no longer want the key.")
    if deciders.oversees(who, key_request):
        raise Conflict("This approval no longer counts, or there never was one. Nothing was withdrawn.")
    raise NotAllowed("Whoever gave an approval, another lead of the team, or Security withdraws it.")


def _name(approval: Approval) -> str:
    return approval.approver.get_username() if approval.approver else f"rule “{approval.rule_name}”"


def _whose(approval: Approval | None, actor: Actor) -> str:
    """Return what is withdrawn, as the object of a sentence."""
    if approval is None:
        return "break-glass access"
    if approval.approver is None:
        return f"the approval of the rule “{approval.rule_name}”"
    if approval.approver_id == actor.signed_in.pk:
        return "their approval"
    return f"the approval of {name_and_login(approval.approver)}"


def reopen(key_request: KeyRequest, reason: str) -> None:
    """Make a request pending with its time to lapse begun anew, asking for what account and risk ask for today."""
    values = {
        "reopened_at": timezone.now(),
        "reopened_reason": reason,
        "approved_at": None,
        "claim_until": None,
        **rated_today(key_request),
    }
    move_request(key_request, RequestStep.REOPEN, **values)


def make_void(approval: Approval, reason: str, by: Actor | None = None) -> None:
    """Mark an approval void; `by` withdrew it. The database lets it be done once, while its request is pending."""
    values = {"void_at": timezone.now(), "void_reason": reason, "void_by": by.user if by else None}
    Approval.objects.filter(pk=approval.pk).update(**values)
