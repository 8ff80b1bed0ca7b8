"""Asking for a key, and taking the request back."""

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from .. import selectors
from ..domain.content import content_digest
from ..domain.errors import Conflict, InvalidInput, NotAllowed
from ..domain.guardrails import GuardRails
from ..domain.policy import Policy
from ..domain.request_rules import name_problem, purpose_problem, ticket_problem
from ..domain.risk import policy_risk
from ..domain.states import RequestState
from ..models import Account, ApiKey, KeyRequest, Team
from .actors import Actor, record
from .notice_texts import request_sent
from .transitions import move_request


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
    changes_key: ApiKey | None = None,
) -> KeyRequest:
    """Store a request as pending.

    `template` is the task it started from, `changes_key` the key it is to take the place of. Raises
    `NotAllowed` for another team's account or another person's key, `InvalidInput` for a value, or a
    policy that the team's or the account's guard rails do not allow.
    """
    who = selectors.Person(actor.user)
    in_team = selectors.teams_for(who, account).filter(pk=team.pk).exists()
    if not (in_team and who.may_request and account.is_active):
        raise NotAllowed("You can ask for keys on your own teams' accounts only, while they are switched on.")
    if changes_key and (changes_key.owner_id != who.user.pk or changes_key.account_id != account.pk):
        raise NotAllowed("You can ask for changes of your own keys only, on their own account.")
    _check_values(team, friendly_name, purpose, ticket_url, lifetime_days)
    _check_guard_rails(team.guard_rails | account.guard_rails, policy, lifetime_days)
    with transaction.atomic(durable=True):
        key_request = KeyRequest(
            requester=actor.user,
            team=team,
            account=account,
            friendly_name=friendly_name,
            purpose=purpose,
            ticket_url=ticket_url,
            lifetime_days=lifetime_days,
            policy_json=policy.to_json(),
            risk=policy_risk(policy),
            template=template,
            changes_key=changes_key,
            created_at=timezone.now(),
        )
        key_request.content_digest = current_digest(key_request)
        key_request.save(force_insert=True)
        request_sent(key_request)
        record(
            "request.created",
            actor,
            key_request=key_request,
            reason=purpose,
            name=friendly_name,
            team=team.name,
            lifetime_days=lifetime_days,
            ticket=ticket_url,
            risk=key_request.risk,
            **_change(key_request),
        )
    return key_request


def _change(key_request: KeyRequest) -> dict[str, object]:
    """Return what a change request changes, for the ledger."""
    difference = key_request.difference
    if difference is None:
        return {}
    return {
        "changes_key": key_request.changes_key_id,
        "added": list(difference.added),
        "removed": list(difference.removed),
    }


def _check_guard_rails(rails: GuardRails, policy: Policy, lifetime_days: int) -> None:
    problems = rails.problems(policy, lifetime_days)
    if problems:
        raise InvalidInput("permissions", " ".join(problems))


def require_guard_rails(key_request: KeyRequest) -> None:
    """Refuse to go on with a request that today's guard rails do not allow. Raises `Conflict`."""
    problems = key_request.guard_rails.problems(key_request.policy, key_request.lifetime_days)
    if problems:
        raise Conflict(f"The guard rails of the team or account no longer allow this request. {' '.join(problems)}")


def _check_values(team: Team, friendly_name: str, purpose: str, ticket_url: str, lifetime_days: int) -> None:
    """Hold the form's rules for callers that are not the form."""
    lifetime = f"Keys of team {team.name} live 1 to {team.max_lifetime_days} days."
    problems = {
        "friendly_name": name_problem(friendly_name),
        "purpose": purpose_problem(purpose),
        "ticket_url": ticket_problem(ticket_url),
        "lifetime_days": "" if 1 <= lifetime_days <= team.max_lifetime_days else lifetime,
    }
    for field, message in problems.items():
        if message:
            raise InvalidInput(field, message)


def current_digest(key_request: KeyRequest) -> str:
    """Return the digest of what the stored request asks for now."""
    return content_digest(
        account_sid=key_request.account_id,
        friendly_name=key_request.friendly_name,
        lifetime_days=key_request.lifetime_days,
        policy=key_request.policy,
    )


def cancel_request(*, key_request: KeyRequest, actor: Actor) -> None:
    """Take one's own request back. Raises `NotAllowed` for others', `Conflict` if it is past that."""
    if actor.user is None or key_request.requester_id != actor.user.pk:
        raise NotAllowed("Only the person who sent a request can cancel it.")
    with transaction.atomic(durable=True):
        locked = KeyRequest.objects.select_for_update(no_key=True).get(pk=key_request.pk)
        move_request(locked, RequestState.CANCELLED)
        record("request.cancelled", actor, key_request=locked)


def lapse(key_request: KeyRequest, actor: Actor, reason: str) -> None:
    """End a request that waited too long."""
    with transaction.atomic(durable=True):
        locked = KeyRequest.objects.select_for_update(no_key=True).get(pk=key_request.pk)
        move_request(locked, RequestState.LAPSED)
        record("request.lapsed", actor, key_request=locked, reason=reason)


def lapse_overdue(actor: Actor) -> int:
    """End every request nobody decided and every approval nobody used in time; return how many."""
    now = timezone.now()
    undecided = KeyRequest.objects.filter(
        state=RequestState.PENDING, created_at__lt=now - settings.PENDING_LAPSES_AFTER
    )
    unused = KeyRequest.objects.filter(state__in=(RequestState.APPROVED, RequestState.FAILED), claim_until__lt=now)
    overdue = [(item, "Nobody decided in time.") for item in undecided]
    overdue += [(item, "The approval was not used in time.") for item in unused]
    done = 0
    for key_request, reason in overdue:
        try:
            lapse(key_request, actor, reason)
            done += 1
        except Conflict:
            continue  # somebody decided or issued it just now
    return done
