"""A lead names a deputy for a period."""

from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from keys_app.audit.record import record
from keys_app.core.actor import Actor
from keys_app.core.db import locked
from keys_app.core.errors import Conflict, InvalidInput, NotAllowed
from keys_app.core.times import duration, moment

from . import access
from .models import Delegation, Team
from .sent_forms import claim

LONGEST = timedelta(days=90)


def name_deputy(*, team: Team, deputy: User, starts_at: datetime, ends_at: datetime, actor: Actor) -> Delegation:
    """Let a member of the team decide its requests in the actor's place, from `starts_at` until `ends_at`.

    Raises `NotAllowed` for somebody who does not lead the team themselves, `InvalidInput` for the person or
    the period, `AlreadyMade` if the form was sent before.
    """
    if team.pk not in access.Person(actor.signed_in).own_led_team_ids:
        raise NotAllowed("Only a lead of the team can name a deputy. A deputy can't.")
    if deputy.pk == actor.signed_in.pk or not access.possible_deputies([team]).filter(pk=deputy.pk).exists():
        raise InvalidInput("deputy", f"Choose another user of team {team.name}.")
    now = timezone.now()
    if ends_at <= max(starts_at, now):
        raise InvalidInput("until", "The last day is before the first, or is over.")
    if ends_at - max(starts_at, now) > LONGEST:
        raise InvalidInput("until", f"Maximum for a deputy: {duration(LONGEST)}.")
    with transaction.atomic(durable=True):
        claim(actor, reverse("portal:deputies"))
        delegation = Delegation.objects.create(
            team=team, lead=actor.signed_in, deputy=deputy, starts_at=starts_at, ends_at=ends_at, created_at=now
        )
        record("delegation.created", actor, details=_details(delegation))
    return delegation


def end_delegation(*, delegation: Delegation, actor: Actor) -> None:
    """End a delegation now, as the lead who gave it. Raises `NotAllowed` for others, `Conflict` if it is over."""
    if delegation.lead_id != actor.signed_in.pk:
        raise NotAllowed("Only the lead who named a deputy can end it.")
    with transaction.atomic(durable=True):
        now = timezone.now()
        running = locked(Delegation.objects.filter(pk=delegation.pk, ends_at__gt=now)).first()
        if running is None:
            delegation.refresh_from_db()
            raise Conflict(f"This deputyship ended at {moment(delegation.ends_at)}.")
        running.starts_at, running.ends_at, running.ended_at = min(running.starts_at, now), now, now
        running.save(update_fields=["starts_at", "ends_at", "ended_at"])
        record("delegation.ended", actor, details=_details(running))


def _details(delegation: Delegation) -> dict[str, object]:
    return {
        "team": delegation.team.name,
        "deputy": delegation.deputy.get_username(),
        "starts": delegation.starts_at,
        "ends": delegation.ends_at,
    }
