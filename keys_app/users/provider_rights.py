"""Gives and takes the rights that come from a user's groups at the sign-in provider. Those given by hand stay.

What came from there is remembered (`ProviderRight`), so that it goes when its group does. What a user had by hand
already stays theirs.
"""

from collections.abc import Mapping
from pathlib import Path

from django.contrib.auth.models import Group, User

from keys_app.core.actor import Actor
from keys_app.core.errors import SignInRefused
from keys_app.organisation.access import person
from keys_app.organisation.models import ProviderRight, Team, TeamMembership
from keys_app.organisation.provider_groups import ADMIN, LEAD, ROLE, TEAM, Right, Rights, rights_of_groups, wanted
from keys_app.organisation.recorded_state import lock_and_read

from .account_changes import end_sessions
from .admin_events import record_admin_change

_TELL = "Tell a portal admin."


def of_claims(claims: Mapping[str, object], *, claim: str, file: Path | None) -> Rights:
    """Return the rights that a user's groups give them, by what the provider says of the user.

    Where no group gives anything, none are asked for. Raises `SignInRefused` if the groups are not there, or only where
    to ask for them, and if the file of groups is wrong.
    """
    given = rights_of_groups(file)
    if not given and file is None:
        return frozenset()
    return wanted(_groups(claims, claim), given)


def _groups(claims: Mapping[str, object], claim: str) -> list[str]:
    groups = claims.get(claim)
    if isinstance(groups, str):
        groups = [groups]
    if isinstance(groups, list) and all(isinstance(one, str) for one in groups):
        return groups
    elsewhere = claims.get("_claim_names")
    if claims.get("hasgroups") or (isinstance(elsewhere, dict) and claim in elsewhere):
        raise SignInRefused(
            "The provider did not send your groups, only where to ask for them: you are in too many. Nothing was "
            f"changed. {_TELL} The provider can be set to send only the groups that the portal uses."
        )
    raise SignInRefused(f"The provider did not send your groups (“{claim}”). Nothing was changed. {_TELL}")


def apply(*, user: User, rights: Rights, actor: Actor) -> None:
    """Let a user have these rights from the provider and no others, in the running transaction, with events.

    Where one is taken, all sessions of the user end.
    """
    before = lock_and_read(user)
    had = {Right.read(text) for text in ProviderRight.objects.filter(user=user).values_list("right", flat=True)}
    taken = had - rights
    teams = {int(one.what) for one in had | rights if one.kind in (TEAM, LEAD)}
    for team in Team.objects.filter(pk__in=teams).order_by("pk"):
        _apply_to_team(user, team, rights, taken, actor)
    given = [right for right in rights if right.kind in (ROLE, ADMIN) and _give(user, right)]
    given += [right for right in taken if right.kind in (ROLE, ADMIN) and _take(user, right)]
    ProviderRight.objects.filter(user=user, right__in=map(str, taken)).delete()
    if taken:
        end_sessions(user)
    if given:
        record_admin_change(actor=actor, what="changed", subject=user, changes=[], before=before)


def has_none(user: User) -> bool:
    """Tell whether a user may do nothing at all: no role, no team, no portal admin."""
    who = person(user)
    return not (user.is_superuser or who.groups or who.team_ids)


def _apply_to_team(user: User, team: Team, rights: Rights, taken: set[Right], actor: Actor) -> None:
    before = lock_and_read(team)
    membership, lead = Right(TEAM, str(team.pk)), Right(LEAD, str(team.pk))
    row = TeamMembership.objects.filter(user=user, team=team).first()
    changed = False
    if membership in rights and row is None:
        row, changed = TeamMembership.objects.create(user=user, team=team), True
        _remember(user, membership)
    if lead in rights and row and not row.is_lead:
        changed = bool(TeamMembership.objects.filter(pk=row.pk).update(is_lead=True))
        _remember(user, lead)
    if lead in taken and row and row.is_lead:
        changed = bool(TeamMembership.objects.filter(pk=row.pk).update(is_lead=False))
    if membership in taken and row:
        changed = bool(row.delete()[0])
    if changed:
        record_admin_change(actor=actor, what="changed", subject=team, changes=[], before=before)


def _give(user: User, right: Right) -> bool:
    """Give a role, or portal admin, unless the user has it; tell whether that changed anything."""
    if right.kind == ADMIN:
        if user.is_superuser:
            return False
        user.is_superuser = True
        user.save(update_fields=["is_superuser"])
    elif user.groups.filter(name=right.what).exists():
        return False
    else:
        user.groups.add(Group.objects.get(name=right.what))
    _remember(user, right)
    return True


def _take(user: User, right: Right) -> bool:
    if right.kind == ADMIN:
        changed, user.is_superuser = user.is_superuser, False
        user.save(update_fields=["is_superuser"])
        return changed
    group = user.groups.filter(name=right.what).first()
    if group:
        user.groups.remove(group)
    return group is not None


def _remember(user: User, right: Right) -> None:
    ProviderRight.objects.get_or_create(user=user, right=str(right))
