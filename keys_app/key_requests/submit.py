"""Asking for a key, and taking the request back."""

from datetime import timedelta
from typing import TYPE_CHECKING

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from keys_app.audit.record import record
from keys_app.core.actor import Actor
from keys_app.core.db import lock_row
from keys_app.core.errors import Conflict, InvalidInput, NotAllowed
from keys_app.core.text import counted
from keys_app.core.typed import unified
from keys_app.organisation import access
from keys_app.organisation.models import Account, Team
from keys_app.organisation.sent_forms import claim
from keys_app.permissions.policy import Policy
from keys_app.permissions.risk import Risk, policy_risk
from keys_app.users.limits import limited

from . import outcome
from .approval_policy import BY_RISK, glass_is_open
from .auto_approve import approve_by_rule, matching_rule, record_approval_by_rule, still_matching
from .decision_models import ApprovalRule
from .models import KeyRequest
from .notices import Audience, break_glass_used, request_sent
from .queries import can_cancel, lock_request
from .states import RequestState, RequestStep, move_request
from .validation import incident_problem, name_problem, purpose_problem, task_problem, ticket_problem

if TYPE_CHECKING:
    from keys_app.keys.models import ApiKey


BREAK_GLASS_USED_WITHIN = timedelta(hours=1)
NO_KEYS_THAT_MAKE_KEYS = (
    "Nobody breaks glass for permissions under /twilio/iam/: keys made with such a key would outlive the incident."
)


def create_request(
    *,
    actor: Actor,
    account: Account,
    team: Team,
    friendly_name: str,
    purpose: str,
    ticket_url: str,
    lifetime_days: int,
    policy: Policy,
    template: str = "",
    changes_key: "ApiKey | None" = None,
    incident: str = "",
) -> KeyRequest:
    """Store a request as pending, or approved where an operator's rule approves it or glass is broken.

    Break-glass access is one key at a time: until that is reviewed, the next such request waits for Security.

    `template` is the task it started from, `changes_key` the key it is to take the place of, `incident` the
    number of an incident for which the key is needed before anybody can approve it. Raises `NotAllowed` for
    another team's account, another person's key or an incident this person may not break glass for;
    `InvalidInput` for a value, or a policy that the team's or the account's guardrails do not allow.
    """
    key_request = KeyRequest(
        requester=actor.signed_in,
        team=team,
        account=account,
        friendly_name=friendly_name,
        purpose=unified(purpose),
        ticket_url=ticket_url,
        lifetime_days=lifetime_days,
        policy_json=policy.to_json(),
        risk=policy_risk(policy),
        leads_required=account.leads_required,
        incident=incident,
        template=template,
        changes_key=changes_key,
        created_at=timezone.now(),
    )
    _check_rights(key_request, access.Person(actor.signed_in))
    _check_values(key_request)
    if problems := key_request.broken_guard_rails:
        raise InvalidInput("permissions", " ".join(problems))
    key_request.content_digest = key_request.current_digest
    rule = None if incident else matching_rule(key_request)
    audience = Audience.of(key_request)
    with limited("requests", actor):
        _send(key_request, actor, rule and still_matching(rule, key_request), audience)
    return key_request


def _send(key_request: KeyRequest, actor: Actor, rule: ApprovalRule | None, audience: Audience) -> None:
    """Store the request with what is decided about it at once, then the events in their order."""
    claim(actor, key_request.get_absolute_url())
    if key_request.incident:
        _leave_to_security(key_request)
    key_request.save(force_insert=True)
    if rule:
        approve_by_rule(key_request, rule)
    elif key_request.is_break_glass:
        now = timezone.now()
        move_request(key_request, RequestStep.APPROVE, approved_at=now, claim_until=now + BREAK_GLASS_USED_WITHIN)
    if key_request.is_break_glass:
        break_glass_used(key_request, audience)
    elif not rule:
        request_sent(key_request, audience)
    _record_created(key_request, actor)
    if rule:
        record_approval_by_rule(key_request, rule)
    elif key_request.is_break_glass:
        record(
            "request.glass_broken",
            actor,
            key_request=key_request,
            reason=key_request.purpose,
            incident=key_request.incident,
        )


def _leave_to_security(key_request: KeyRequest) -> None:
    """Leave a break-glass request to Security alone while an earlier one waits for its review.

    The requester is locked, so that of two that come together the second sees the first.
    """
    lock_row(User, key_request.requester_id)
    if glass_is_open(key_request.requester):
        key_request.security_alone, key_request.leads_required = True, 0


def _record_created(key_request: KeyRequest, actor: Actor) -> None:
    record(
        "request.created",
        actor,
        key_request=key_request,
        reason=key_request.purpose,
        name=key_request.friendly_name,
        team=key_request.team.name,
        lifetime_days=key_request.lifetime_days,
        ticket=key_request.ticket_url,
        risk=key_request.risk,
        details=_change(key_request),
    )


def _check_rights(key_request: KeyRequest, who: access.Person) -> None:
    """Raise `NotAllowed` unless this person may ask for this."""
    account, key = key_request.account, key_request.changes_key
    in_team = access.teams_for(who, account).filter(pk=key_request.team_id).exists()
    if not (in_team and who.may_request and account.is_active):
        raise NotAllowed("You can ask for keys on your own teams' accounts only, while they are switched on.")
    if key and not type(key).changeable_by(who.user).filter(pk=key.pk, account=account).exists():
        raise NotAllowed("You can ask for changes of your own live keys only, on their own account.")
    if key_request.is_break_glass and key_request.team_id not in who.break_glass_team_ids:
        raise NotAllowed("You may not break glass for this team. Send the request without an incident number.")


def _change(key_request: KeyRequest) -> dict[str, object]:
    """Return what a change request changes, and why Security alone decides, for the ledger."""
    alone = {"incident": key_request.incident, "security_alone": True} if key_request.security_alone else {}
    difference = key_request.difference
    if difference is None:
        return alone
    return {
        **alone,
        "changes_key": key_request.changes_key_id,
        "added": list(difference.added),
        "removed": list(difference.removed),
    }


def guard_rail_problems(key_request: KeyRequest) -> str:
    """Return why today's guardrails do not allow a request; empty if they do."""
    problems = key_request.broken_guard_rails
    return f"The guardrails of the team or account no longer allow this request. {' '.join(problems)}" * bool(problems)


def require_guard_rails(key_request: KeyRequest) -> None:
    """Refuse a request that today's guardrails do not allow. Raises `Conflict`."""
    if problems := guard_rail_problems(key_request):
        raise Conflict(problems)


def _check_values(key_request: KeyRequest) -> None:
    """Hold the form's rules for callers that are not the form."""
    team = key_request.team
    in_range = 1 <= key_request.lifetime_days <= team.max_lifetime_days
    problems = {
        "friendly_name": name_problem(key_request.friendly_name),
        "purpose": purpose_problem(key_request.purpose),
        "ticket_url": ticket_problem(key_request.ticket_url),
        "template": task_problem(key_request.template),
        "lifetime_days": ""
        if in_range
        else f"Maximum lifetime in team {team.name}: {counted(team.max_lifetime_days, 'day')}.",
    }
    if key_request.is_break_glass:
        problems |= {
            "incident": incident_problem(key_request.incident),
            "lifetime_days": "" if key_request.lifetime_days == 1 else "For an incident, choose 1 day.",
            "permissions": NO_KEYS_THAT_MAKE_KEYS if not BY_RISK[Risk(key_request.risk)].by_break_glass else "",
        }
    for field, message in problems.items():
        if message:
            raise InvalidInput(field, message)


def cancel_request(*, key_request: KeyRequest, actor: Actor) -> None:
    """Cancel one's own request. Raises `NotAllowed` for others', `Conflict` if it is past that."""
    if actor.user is None or key_request.requester_id != actor.user.pk:
        raise NotAllowed("Only the requester can cancel a request.")
    with transaction.atomic(durable=True):
        locked = lock_request(key_request.pk)
        if not can_cancel(locked):
            instead = " Revoke the key instead." if locked.state == RequestState.ISSUED else ""
            raise Conflict(f"{outcome.happened(locked)} It can't be cancelled.{instead}")
        move_request(locked, RequestStep.CANCEL)
        record("request.cancelled", actor, key_request=locked)
