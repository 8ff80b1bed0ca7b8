"""The keys of people who left: handed to the leads of the team, with a date after which they are revoked.

Nobody gets a secret by that. Who takes a key over answers for it, and can rotate or revoke it.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from keys_app.audit.record import record
from keys_app.core.actor import Actor, name_and_login
from keys_app.core.db import compare_and_swap, lock_row
from keys_app.core.errors import Conflict, NotAllowed
from keys_app.core.isolation import isolated
from keys_app.core.present import present
from keys_app.core.times import moment
from keys_app.notifications import notify
from keys_app.organisation import access
from keys_app.organisation.models import Team

from .models import ApiKey
from .queries import OWNER_LEFT, why_not_active
from .states import KeyState

WARN_BEFORE = timedelta(days=3)
LEAVERS = "the keys of users who left"
LIST_URL = "/keys/left/"


def note_leavers(actor: Actor) -> int:
    """Give the keys of people who left a date and tell the leads, remind of it, and undo it for who came back.

    Returns how many keys got a date.
    """
    active = ApiKey.objects.filter(state=KeyState.ACTIVE).select_related("owner", "team", "account")
    for key in active.filter(handover_by__isnull=False).exclude(OWNER_LEFT):
        with isolated(LEAVERS, key.pk), transaction.atomic(durable=True):
            if compare_and_swap(key, Q(handover_by__isnull=False), handover_by=None, handover_warned_at=None):
                record("key.owner_back", actor, key=key)
    until = timezone.now() + settings.LEAVER_GRACE
    noted = 0
    for (team, owner), keys in _by_team_and_owner(active.filter(OWNER_LEFT, handover_by=None)).items():
        with isolated(LEAVERS, team):
            noted += _note(team, owner, keys, until, actor)
    soon = active.filter(OWNER_LEFT, handover_warned_at=None, handover_by__lte=timezone.now() + WARN_BEFORE)
    for (team, owner), keys in _by_team_and_owner(soon).items():
        with isolated(LEAVERS, team):
            _warn(team, owner, keys)
    return noted


def restart_clocks() -> list[str]:
    """Take away every date of a key whose owner left, and return the keys' SIDs: the next run gives new ones.

    For when it may be lost that someone took a key over. Call it inside a transaction.
    """
    dated = ApiKey.objects.filter(state=KeyState.ACTIVE, handover_by__isnull=False)
    sids = sorted(dated.values_list("sid", flat=True))
    dated.update(handover_by=None, handover_warned_at=None)
    return sids


def _by_team_and_owner(keys: Iterable[ApiKey]) -> dict[tuple[Team, User], list[ApiKey]]:
    found: dict[tuple[Team, User], list[ApiKey]] = defaultdict(list)
    for key in keys:
        found[key.team, key.owner].append(key)
    return found


def _note(team: Team, owner: User, keys: list[ApiKey], until: datetime, actor: Actor) -> int:
    with transaction.atomic(durable=True):
        new = [key for key in keys if compare_and_swap(key, Q(handover_by=None), handover_by=until)]
        if new:
            _tell(team, owner, new, until)
        for key in new:
            record("key.owner_left", actor, key=key, owner=name_and_login(owner), until=until)
    return len(new)


def _warn(team: Team, owner: User, keys: list[ApiKey]) -> None:
    now = timezone.now()
    with transaction.atomic(durable=True):
        mine = [key for key in keys if compare_and_swap(key, Q(handover_warned_at=None), handover_warned_at=now)]
        if mine:
            _tell(team, owner, mine, min(present(key.handover_by) for key in mine))


def _tell(team: Team, owner: User, keys: list[ApiKey], until: datetime) -> None:
    """Tell the leads; where a team has none, it is for Security."""
    leads = list(access.leads_of(team))
    left = f"left team {team}" if owner.is_active else f"of team {team} can't sign in any more"
    names = ", ".join(f"{key.name} ({key.sid}, {key.account})" for key in keys[:20])
    more = f" and {len(keys) - 20} more" if len(keys) > 20 else ""
    notify.notify(
        "key.owner_left" if leads else "alarm.key_without_lead",
        title=f"{name_and_login(owner)} {left}: take over {len(keys)} of their keys, or revoke them",
        text=f"{names}{more}. What no one has taken over by {moment(until)} is revoked then. Its owner may still know "
        "the secret: rotate a key after taking it over. Who approved it can't, and no one can rotate an adopted key: "
        "request a new one, then revoke it.",
        path=LIST_URL,
        people=leads,
        team=team,
    )


def take_over(*, key: ApiKey, actor: Actor) -> None:
    """Become the owner of a key whose owner left. For leads of its team.

    Raises `NotAllowed` for others, `Conflict` if the owner has not left, or another lead was first.
    """
    who = access.Person(actor.signed_in)
    if key.team_id not in who.own_led_team_ids:
        raise NotAllowed("Only a lead of the key's team can take it over, not a deputy.")
    before = name_and_login(key.owner)
    with transaction.atomic(durable=True):
        lock_row(ApiKey, key.pk)
        still_theirs = OWNER_LEFT & Q(owner=key.owner_id, state=KeyState.ACTIVE)
        if not compare_and_swap(key, still_theirs, owner=who.user, handover_by=None, handover_warned_at=None):
            key.refresh_from_db()
            theirs = f"This key belongs to {name_and_login(key.owner)}, who is in the team."
            raise Conflict(why_not_active(key) or theirs)
        key.refresh_from_db()
        record("key.handed_over", actor, key=key, owner_before=before, owner=actor.label)
