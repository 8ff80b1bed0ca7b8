"""Users who sign in with the provider may do what local users of the same role may, and nothing else."""

import pytest
import requests
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from keys_app.organisation.models import ProviderGroup, ProviderRight, TeamMembership
from keys_app.users.models import Identity
from tests.organisation.test_who_may_what import ROLES, World, holds, rows

from .provider import START, go
from .test_step_up import AGAIN


def moved(cast, provider, role):
    """Let a user of the cast be one of the provider: no password, and every right from a group there."""
    user = cast.people[role]
    roles, memberships = list(user.groups.all()), list(TeamMembership.objects.filter(user=user))
    for number, group in enumerate(roles):
        ProviderGroup.objects.create(name=f"role-{number}", group=Group.objects.get(pk=group.pk))
    for one in memberships:
        ProviderGroup.objects.create(name=f"team-{one.team_id}", lead=one.is_lead).teams.set([one.team])
    ProviderGroup.objects.create(name="admins", admin=True)
    names = [name for name in ProviderGroup.objects.values_list("name", flat=True) if name != "admins"]
    groups = [*names, *(["admins"] if user.is_superuser else [])]
    may_break_glass = {one.team_id for one in memberships if one.may_break_glass}
    user.groups.clear()
    TeamMembership.objects.filter(user=user).delete()
    user.is_superuser = False
    user.set_unusable_password()
    user.save()
    Identity.objects.create(user=user, issuer=provider.issuer, subject=role, joined_at=timezone.now())
    client, browser = Client(), requests.Session()
    for start in (START, AGAIN):  # the second time it is fresh
        provider.says(role, groups=groups)
        assert go(client, provider, start, browser).status_code == 302
    TeamMembership.objects.filter(user=user, team__in=may_break_glass).update(may_break_glass=True)
    user.refresh_from_db()
    return client


@pytest.mark.parametrize("role", ROLES[2:])
def test_the_table_holds_for_who_comes_from_there(cast, provider, role):
    world = World(cast, role)
    client = moved(cast, provider, role)
    assert client.get("/accounts/profile/").status_code == 200
    assert ProviderRight.objects.filter(user=cast.people[role]).exists() is (role != "stranger")
    column = rows(role)
    if role == "stranger":  # one page for all says whom to ask
        column = [(action, whose, "403") for action, whose, _ in column]
    holds(world, client, column)
