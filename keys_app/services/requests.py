"""Asking for a key, and taking the request back."""

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from .. import selectors
from ..domain.content import content_digest
from ..domain.errors import Conflict, InvalidInput, NotAllowed
from ..domain.naming import MAX_NAME
from ..domain.policy import Policy
from ..domain.risk import policy_risk
from ..domain.states import RequestState
from ..models import Account, KeyRequest, Team
from .actors import Actor, record
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
) -> KeyRequest:
    """Store a request as pending. Raises `NotAllowed` for another team's account, `InvalidInput` otherwise."""
    who = selectors.Person(actor.user)
    if not selectors.teams_for(who, account).filter(pk=team.pk).exists() or not who.may_request:
        raise NotAllowed("You can ask for keys on your own teams' accounts only.")
    _check_values(team, friendly_name, purpose, lifetime_days)
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
            created_at=timezone.now(),
        )
        key_request.content_digest = current_digest(key_request)
        key_request.save(force_insert=True)
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
        )
    return key_request


def _check_values(team: Team, friendly_name: str, purpose: str, lifetime_days: int) -> None:
    """Hold the form's rules for callers that are not the form."""
    if not friendly_name.strip() or len(friendly_name) > MAX_NAME:
        raise InvalidInput("friendly_name", f"The name must have 1 to {MAX_NAME} characters.")
    if not purpose.strip():
        raise InvalidInput("purpose", "Say what the key is for.")
    if not 1 <= lifetime_days <= team.max_lifetime_days:
        raise InvalidInput(
            "lifetime_days", f"The lifetime must be 1 to {team.max_lifetime_days} days for team {team.name}."
        )


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
        locked = KeyRequest.objects.select_for_update().get(pk=key_request.pk)
        move_request(locked, RequestState.CANCELLED)
        record("request.cancelled", actor, key_request=locked)


def lapse(key_request: KeyRequest, actor: Actor, reason: str) -> None:
    """End a request that waited too long."""
    with transaction.atomic(durable=True):
        locked = KeyRequest.objects.select_for_update().get(pk=key_request.pk)
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
