"""Approving by an operator's rule what carries little risk."""

from django.conf import settings
from django.utils import timezone

from ..domain.risk import Risk
from ..domain.states import RequestState
from ..domain.templates import find_template
from ..models import Approval, ApprovalRule, KeyRequest
from .actors import Actor, record
from .transitions import move_request


def matching_rule(key_request: KeyRequest) -> ApprovalRule | None:
    """Return the first rule that approves this request: low risk, nothing beyond the rule's task, not too long.

    None where the account wants two leads.
    """
    if key_request.risk != Risk.LOW or key_request.leads_required > 1:
        return None
    rules = ApprovalRule.objects.filter(
        is_active=True,
        environment=key_request.account.environment,
        max_lifetime_days__gte=key_request.lifetime_days,
    )
    return next((rule for rule in rules if _fits(rule, key_request)), None)


def _fits(rule: ApprovalRule, key_request: KeyRequest) -> bool:
    template = find_template(rule.template, settings.TEMPLATES_FILE)
    in_team = rule.team_id is None or rule.team_id == key_request.team_id
    return in_team and template is not None and set(key_request.policy) <= set(template.permissions)


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
    move_request(key_request, RequestState.APPROVED, approved_at=now, claim_until=now + settings.APPROVAL_LAPSES_AFTER)


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
