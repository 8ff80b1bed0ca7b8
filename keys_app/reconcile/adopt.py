"""Adopting a key that the portal never made: somebody answers for it, and it gets an end. Its secret stays unknown."""

from datetime import timedelta
from typing import NoReturn

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from keys_app.audit.record import record
from keys_app.core.actor import Actor, name_and_login
from keys_app.core.db import compare_and_swap
from keys_app.core.errors import Conflict, InvalidInput, NotAllowed, TwilioUnavailable
from keys_app.core.text import counted
from keys_app.keys.models import ApiKey
from keys_app.notifications import notify
from keys_app.organisation import access
from keys_app.organisation.credentials import client_for, twilio_slot
from keys_app.organisation.models import Team
from keys_app.permissions.policy import Policy
from keys_app.permissions.seen_policy import NoPolicy, SeenPolicy
from keys_app.twilio_iam.errors import Rejected, TwilioError
from keys_app.twilio_iam.types import KeyDetail

from .drift import shown_name
from .models import UnmanagedKey
from .queries import adopting_teams

CANNOT_BE_READ = (
    "Twilio shows a policy of this key that the portal cannot read, so no one could tell what is adopted. Nothing was "
    "changed. Look at the key in Twilio's Console."
)


def longest_adoption(unmanaged: UnmanagedKey, team: Team) -> int:
    """Return how many days an adopted key may live at most, by the limits of the team and the account."""
    return min(team.max_lifetime_days, unmanaged.account.max_lifetime_days or team.max_lifetime_days)


def propose_team(*, unmanaged: UnmanagedKey, team: Team, actor: Actor) -> None:
    """Ask the leads of a team to adopt a key. For Security. Raises `NotAllowed`, `InvalidInput` or `Conflict`."""
    if not access.Person(actor.signed_in).is_security:
        raise NotAllowed("Only Security can propose a key to a team.")
    if not team.accounts.filter(pk=unmanaged.account_id).exists():
        raise InvalidInput("team", "This team does not have the key's account.")
    _require_free(unmanaged)
    with transaction.atomic(durable=True):
        if not compare_and_swap(unmanaged, Q(adopted_at=None), proposed_team=team, proposed_by=actor.user):
            _refuse_adopted(unmanaged)
        notify.notify(
            "key.adoption_proposed",
            title=f"Is key {unmanaged.sid} on {unmanaged.account} one of team {team}?",
            text=f"{actor.label} asks you to adopt it: choose its owner and when it expires.",
            path=unmanaged.get_absolute_url(),
            people=access.or_leads_or_security([], team),
            team=team,
        )
        record("key.adoption_proposed", actor, account=unmanaged.account, key_sid=unmanaged.sid, team=team.name)


def adopt_key(*, unmanaged: UnmanagedKey, team: Team, owner: User, lifetime_days: int, actor: Actor) -> ApiKey:
    """Make an unmanaged key one of the portal's, with an owner in the team and an expiry counted from now.

    What it takes is checked before Twilio is asked, and again when it is written. Its policy is fetched from Twilio,
    and kept as it is. Raises `NotAllowed` unless the actor leads the team, `InvalidInput`, `Conflict`, or
    `TwilioUnavailable` if Twilio does not show the key now.
    """
    _require_adoptable(unmanaged, team, owner, lifetime_days, actor)
    detail = _fetch(unmanaged)
    if detail.policy is NoPolicy.UNREADABLE:
        raise Conflict(CANNOT_BE_READ)
    with transaction.atomic(durable=True):
        for row in (unmanaged, team, owner):  # Twilio may have taken its time
            row.refresh_from_db()
        _require_adoptable(unmanaged, team, owner, lifetime_days, actor)
        if not compare_and_swap(unmanaged, Q(adopted_at=None), adopted_at=timezone.now()):
            _refuse_adopted(unmanaged)
        key = _store(unmanaged, detail, team, owner, lifetime_days)
        days: dict[str, object] = {"lifetime_days": lifetime_days, "expires": key.expires_at}
        named = {"owner": name_and_login(owner), "owner_id": str(owner.pk), "team": team.name}
        record("key.adopted", actor, key=key, details={**named, **days, **_in_place_of_policy(detail.policy)})
    return key


def _require_adoptable(unmanaged: UnmanagedKey, team: Team, owner: User, lifetime_days: int, actor: Actor) -> None:
    if not adopting_teams(access.Person(actor.signed_in), unmanaged).filter(pk=team.pk).exists():
        raise NotAllowed("Only a lead of a team that has the key's account can adopt it.")
    if not (owner.is_active and team.members.filter(pk=owner.pk).exists()):
        raise InvalidInput("owner", "Choose a user who is in the team.")
    longest = longest_adoption(unmanaged, team)
    if not 1 <= lifetime_days <= longest:
        raise InvalidInput("lifetime_days", f"Maximum lifetime: {counted(longest, 'day')}.")
    _require_free(unmanaged)


def _require_free(unmanaged: UnmanagedKey) -> None:
    if unmanaged.is_the_portals:
        raise Conflict("This is the key the portal itself works with. It cannot be adopted.")
    if unmanaged.gone_at:
        raise Conflict("Twilio does not list this key any more.")
    if unmanaged.adopted_at:
        _refuse_adopted(unmanaged)
    if unmanaged.is_in_doubt:
        raise Conflict("It has a marker of the portal in its name. Security keeps or deletes it first.")
    if unmanaged.delete_since:
        raise Conflict("Security decided that it is deleted.")


def _refuse_adopted(unmanaged: UnmanagedKey) -> NoReturn:
    """Raise `Conflict` with who answers for a key that is adopted by now."""
    key = ApiKey.objects.select_related("owner", "team").get(pk=unmanaged.pk)
    raise Conflict(f"This key was adopted already: {name_and_login(key.owner)} of team {key.team} is its owner.")


def _fetch(unmanaged: UnmanagedKey) -> KeyDetail:
    try:
        with twilio_slot("Nothing was changed."), client_for(unmanaged.account) as client:
            return client.fetch_key(unmanaged.sid)
    except Rejected as error:
        if error.status == 404:
            raise Conflict("Twilio does not have this key any more. Nothing was changed.") from None
        problem: TwilioError = error
    except TwilioError as error:
        problem = error
    raise TwilioUnavailable(
        f"Twilio did not show this key: {problem.message.rstrip('.')}. Nothing was changed.",
        code=getattr(problem, "code", None),
        next_step="Try again later.",
    )


def _store(unmanaged: UnmanagedKey, detail: KeyDetail, team: Team, owner: User, lifetime_days: int) -> ApiKey:
    now = timezone.now()
    made = detail.date_created or unmanaged.first_seen
    return ApiKey.objects.create(
        sid=unmanaged.sid,
        account=unmanaged.account,
        team=team,
        owner=owner,
        friendly_name=shown_name(detail.friendly_name or ""),
        policy_json=detail.policy.to_json() if isinstance(detail.policy, Policy) else "",
        issued_at=min(made, now),
        adopted_at=now,
        expires_at=now + timedelta(days=lifetime_days),
        checked_at=now,
        twilio_updated_at=detail.date_updated,
    )


def _in_place_of_policy(seen: SeenPolicy) -> dict[str, str]:
    """Return what an event says of a key without a policy."""
    return {"policy": seen.value} if isinstance(seen, NoPolicy) else {}
