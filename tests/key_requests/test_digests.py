"""Owner and team hear of an expiry 14, 3 and 1 day before, once each."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from keys_app.core.actor import Actor
from keys_app.keys import expiry
from keys_app.keys.models import ApiKey
from keys_app.reconcile.run import reconcile

DAY = timedelta(days=1)


@pytest.fixture
def key(cast):
    key_request, _ = cast.issued(lifetime_days="90")
    return key_request.keys.get()


def at(days_left, lifetime=90.0):
    """Let the key have this many days left of its lifetime."""
    end = timezone.now() + days_left * DAY
    ApiKey.objects.update(issued_at=end - lifetime * DAY, expires_at=end)


def days_of(told):
    return [int(notice["key"].rpartition(":")[2]) for notice in told]


def test_it_reminds_once_each_time(cast, key, told, actions):
    for days_left in (14.5, 13.9, 13.5, 3.1, 2.9, 2.0, 1.1, 0.9, 0.1):
        at(days_left)
        for _ in range(2):
            expiry.remind_of_expiry(Actor.system("reconciler"))
    assert days_of(told) == [14, 3, 1]
    assert {notice["kind"] for notice in told} == {"key.reminded"}
    assert all(notice["people"] == [key.owner] and notice["team"] == cast.team for notice in told)
    assert len({notice["key"] for notice in told}) == 3
    assert actions().count("key.reminded") == 3


@pytest.mark.parametrize("how", ["left the team", "deactivated"])
def test_it_reminds_the_leads_of_a_key_whose_owner_left(cast, key, told, how):
    User.objects.update(email="someone@example.test")
    if how == "deactivated":
        User.objects.filter(pk=key.owner_id).update(is_active=False)
    else:
        cast.team.memberships.filter(user=key.owner_id).delete()
    at(2)
    expiry.remind_of_expiry(Actor.system("reconciler"))
    assert [user.username for user in told[0]["people"]] == ["colead", "lead"]


def test_it_runs_with_the_reconciler(cast, key, told):
    at(2)
    assert reconcile().reminded == 1
    assert "expires in 2 days, on" in told[0]["title"]


def test_what_was_missed_is_not_sent_later(cast, key, told):
    at(0.5)
    assert expiry.remind_of_expiry(Actor.system("reconciler")) == 1
    assert days_of(told) == [1]


@pytest.mark.parametrize(("lifetime", "expected"), [(1, []), (3, [1]), (7, [3, 1]), (14, [3, 1]), (15, [14, 3, 1])])
def test_a_short_life_has_fewer_reminders(cast, key, told, lifetime, expected):
    for hours_left in range(lifetime * 24, 0, -6):
        at(hours_left / 24, lifetime)
        expiry.remind_of_expiry(Actor.system("reconciler"))
    assert days_of(told) == expected


@pytest.mark.parametrize(
    "change",
    [
        {"state": "revoked", "revoked_at": timezone.now()},
        {"state": "revoking"},
        {"retires_at": timezone.now() + 2 * DAY},
    ],
)
def test_it_says_nothing_of_a_key_that_ends_anyway(cast, key, told, change):
    at(2)
    ApiKey.objects.update(**change)
    expiry.remind_of_expiry(Actor.system("reconciler"))
    assert not told
