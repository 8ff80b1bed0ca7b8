"""Approving by an operator's rule what carries little risk."""

from django.conf import settings
from django.utils import timezone

from keys_app.audit.record import record
from keys_app.core.actor import Actor

from . import approvals_today
from .decision_models import Approval, ApprovalRule
from .models import KeyRequest
from .states import RequestStep, move_request


def matching_rule(key_request: KeyRequest) -> ApprovalRule | None:
    """Return the first rule, by name, that approves this request."""
    rules = ApprovalRule.objects.filter(is_active=True)
    return next((rule for rule in rules if approvals_today.rule_fits(rule, key_request)), None)


def still_matching(rule: ApprovalRule, key_request: KeyRequest) -> ApprovalRule | None:
    """Return a rule as it is now, under the lock, if it still approves this request."""
    now = ApprovalRule.objects.filter(pk=rule.pk).first()
    return now if now and approvals_today.rule_fits(now, key_request) else None


def approve_by_rule(key_request: KeyRequest, rule: ApprovalRule) -> None:
    """Store the rule's approval and move the request on. Call it in the transaction that stores the request."""
    now = timezone.now()
    Approval.objects.create(
        request=key_request,
        rule_name=rule.name,
        capacity=Approval.Capacity.RULE,
        decision=Approval.Decision.APPROVED,
        stage=1,
        content_digest=key_request.content_digest,
        created_at=now,
    )
    move_request(key_request, RequestStep.APPROVE, approved_at=now, claim_until=now + settings.APPROVAL_LAPSES_AFTER)


def record_approval_by_rule(key_request: KeyRequest, rule: ApprovalRule) -> None:
    """Append the event that names the rule."""
    record(
        "request.approved",
        Actor.system(f"rule “{rule.name}”"),
        key_request=key_request,
        approval=1,
        needed=1,
        digest=key_request.content_digest,
        capacity=str(Approval.Capacity.RULE),
        rule={"name": rule.name, "task": rule.template, "environment": rule.environment},
    )
