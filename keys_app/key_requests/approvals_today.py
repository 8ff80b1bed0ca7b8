"""What the approvals of a request are worth today: which still hold, and why the others, or all together, do not."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict, cast

from django.conf import settings
from django.db.models import Exists, OuterRef

from keys_app.core.actor import name_and_login
from keys_app.core.present import present
from keys_app.organisation.access import Person, in_security, leads_of
from keys_app.organisation.models import Delegation
from keys_app.permissions.presets import find_template

from .approval_policy import BY_RISK, ApprovalRequirement, a_rule_may_approve, approvals_given
from .decision_models import Approval, ApprovalRule
from .models import KeyRequest


@dataclass(frozen=True, slots=True)
class ApprovalsToday:
    """`lost` are the approvals that no longer hold, each with why; `changes` says what else is not as it was.

    `suffices` tells whether what still holds is enough for what the request needs today.
    """

    suffices: bool
    lost: tuple[tuple[Approval, str], ...]
    changes: tuple[str, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys([*(why for _, why in self.lost), *self.changes]))


if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations


class RightsToday(TypedDict):
    """What `standing_approvals` says of each: whether it is by who is in Security still, or in a lead's right still."""

    in_security: bool
    by_a_lead: bool


def standing_approvals(key_request: KeyRequest) -> "list[WithAnnotations[Approval, RightsToday]]":
    """Return the standing approvals of a request, each with the rights of who gave it. One query."""
    rows = key_request.approvals.standing().select_related("approver", "authority")
    rights = rows.annotate(
        in_security=Exists(in_security().filter(pk=OuterRef("approver"))),
        by_a_lead=Exists(leads_of(key_request.team).filter(pk=OuterRef("authority"))),
    )
    return cast("list[WithAnnotations[Approval, RightsToday]]", list(rights))


def approvals_today(
    key_request: KeyRequest, standing: "list[WithAnnotations[Approval, RightsToday]] | None" = None
) -> ApprovalsToday:
    """Look at every approval of a request again, as it has to be before a key is issued.

    `standing`: its `standing_approvals`, where they are read already.
    """
    outgrown = key_request.broken_guard_rails  # then no approval holds
    if key_request.needs_no_approval:
        changes = (*outgrown, *_break_glass_lost(key_request))
        return ApprovalsToday(not changes, (), changes)
    if standing is None:
        standing = standing_approvals(key_request)
    given = approvals_given(key_request, standing)
    lost = {one: " ".join(outgrown) or why_lost(one, key_request) for one in given}
    missing = ApprovalRequirement.now(key_request).missing([one.capacity for one in given if not lost[one]])
    found = tuple((one, why) for one, why in lost.items() if why)
    return ApprovalsToday(not any(missing), found, (*outgrown, *_needs_more(key_request)))


def _break_glass_lost(key_request: KeyRequest) -> list[str]:
    requester, found = key_request.requester, []
    if key_request.team_id not in Person(requester).break_glass_team_ids:
        found.append(f"{name_and_login(requester)} may no longer use break-glass access for team {key_request.team}.")
    if not BY_RISK[key_request.rated_risk].by_break_glass:
        found.append("The risk is rated critical today, which break-glass access never covers.")
    return found


def _needs_more(key_request: KeyRequest) -> list[str]:
    """Return what the request needs more than when it was approved."""
    found, account = [], key_request.account
    if ApprovalRequirement.now(key_request).leads > key_request.leads_required:
        found.append(f"Account {account.name} asks for two leads today.")
    if key_request.rated_risk != key_request.risk:
        found.append(f"The risk is rated {key_request.rated_risk} today; {key_request.risk} was approved.")
    return found


def why_lost(approval: "WithAnnotations[Approval, RightsToday]", key_request: KeyRequest) -> str:
    """Return why an approval no longer holds; empty while its approver has the right they used."""
    if approval.rule_name:
        return _why_rule_lost(approval.rule_name, key_request)
    approver, team = present(approval.approver), key_request.team
    name = name_and_login(approver)
    if not approver.is_active:
        return f"{name}, who approved it, was deactivated."
    if approval.capacity == Approval.Capacity.SECURITY:
        return "" if approval.in_security else f"{name}, who approved it, is no longer in Security."
    if approval.capacity == Approval.Capacity.DEPUTY:
        return _why_deputy_lost(approval, key_request)
    return "" if approval.by_a_lead else f"{name}, who approved it, no longer leads team {team}."


def _why_rule_lost(name: str, key_request: KeyRequest) -> str:
    rule = ApprovalRule.objects.filter(name=name, is_active=True).first()
    if rule is None:
        return f"The rule “{name}” is off, or no longer exists."
    return "" if rule_fits(rule, key_request) else f"The rule “{name}” no longer covers this request."


def _why_deputy_lost(approval: "WithAnnotations[Approval, RightsToday]", key_request: KeyRequest) -> str:
    """Return why a deputy's approval no longer holds: not for a deputyship that ran out, only for one ended early."""
    name, lead = name_and_login(present(approval.approver)), name_and_login(present(approval.authority))
    if not approval.by_a_lead:
        return f"{lead}, for whom {name} approved it, no longer leads team {key_request.team}."
    if not key_request.team.memberships.filter(user=approval.approver_id).exists():
        return f"{name}, who approved it for {lead}, is no longer in team {key_request.team}."
    given = Delegation.objects.filter(team=key_request.team_id, lead=approval.authority_id, deputy=approval.approver_id)
    then = given.filter(starts_at__lte=approval.created_at, ends_at__gt=approval.created_at, ended_at=None)
    return "" if then.exists() else f"{name} approved it as deputy of {lead}, who ended that early."


def rule_fits(rule: ApprovalRule, key_request: KeyRequest) -> bool:
    """Tell whether a rule approves a request: low risk, nothing beyond its task, not too long, one lead wanted."""
    template = find_template(rule.template, settings.TEMPLATES_FILE)
    return (
        rule.is_active
        and a_rule_may_approve(key_request)
        and rule.environment == key_request.account.environment
        and rule.max_lifetime_days >= key_request.lifetime_days
        and rule.team_id in (None, key_request.team_id)
        and template is not None
        and set(key_request.policy) <= set(template.permissions)
    )
