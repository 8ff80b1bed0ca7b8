"""Who may decide a request: one rule, asked for one user by pages and for everyone by notices."""

from contextlib import suppress
from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group, User
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from keys_app.core.actor import Actor
from keys_app.key_requests import deciders, digests
from keys_app.key_requests.decision_models import Approval
from keys_app.key_requests.models import KeyRequest
from keys_app.notifications.models import NoticeKey
from keys_app.organisation import access
from keys_app.organisation.models import Delegation, Team, TeamMembership
from keys_app.permissions.policy import Policy
from keys_app.reports import access_reviews, models
from tests.cast import MAKE_KEYS, READ_USAGE
from tests.notifications.test_notices import (
    forget,
    mailing,  # noqa: F401 (a fixture)
    recipients,
)

PEOPLE = range(4)
DAY = timedelta(days=1)
LEAD, SECURITY = access.TEAM_LEADS, access.SECURITY
# groups, role in the request's team, role in the other team, whether active
KINDS = [
    ([LEAD], "lead", None, True),
    ([LEAD], "lead", "lead", True),
    ([LEAD], "member", "lead", True),
    ([LEAD, SECURITY], "lead", "member", True),
    ([SECURITY], "member", "member", True),
    ([SECURITY], None, "member", True),
    ([SECURITY], None, None, True),
    ([], "lead", "lead", True),
    ([], "member", "member", True),
    ([LEAD], "lead", "lead", False),
]
one_of_us = st.sampled_from(PEOPLE)
worlds = st.fixed_dictionaries(
    {
        "people": st.lists(st.sampled_from(KINDS), min_size=4, max_size=4),
        # lead, deputy, of the request's team, and whether it is over, in force or to come
        "deputies": st.lists(
            st.tuples(one_of_us, one_of_us, st.booleans(), st.sampled_from([-1, 0, 0, 0, 1])), min_size=1, max_size=4
        ),
        "requester": one_of_us,
        "critical": st.booleans(),
        "leads": st.sampled_from([1, 2]),
        "approvals": st.lists(st.tuples(one_of_us, one_of_us), max_size=2),
    }
)


def build(world, cast) -> KeyRequest:
    """Make the world's people, in two teams, and one pending request of the first."""
    users = [User.objects.create(username=f"p{number}", is_active=world["people"][number][3]) for number in PEOPLE]
    for user, (groups, ours, theirs, _) in zip(users, world["people"], strict=True):
        user.groups.set(Group.objects.filter(name__in=groups))
        for team, role in ((cast.team, ours), (cast.other_team, theirs)):
            if role:
                TeamMembership.objects.create(team=team, user=user, is_lead=role == "lead")
    now = timezone.now()
    for lead, deputy, ours, day in world["deputies"]:
        if lead != deputy:
            Delegation.objects.create(
                team=cast.team if ours else cast.other_team, lead=users[lead], deputy=users[deputy],
                starts_at=now + (day - 0.5) * DAY, ends_at=now + (day + 0.5) * DAY, created_at=now,
            )  # fmt: skip
    mine = KeyRequest.objects.create(
        requester=users[world["requester"]], team=cast.team, account=cast.account, friendly_name="drawn",
        purpose="A test.", lifetime_days=30, created_at=now, content_digest="a" * 64, leads_required=world["leads"],
        policy_json=Policy.parse(MAKE_KEYS if world["critical"] else READ_USAGE).to_json(),
        risk="critical" if world["critical"] else "low",
    )  # fmt: skip
    for stage, (approver, authority) in enumerate(world["approvals"], start=1):
        in_security = SECURITY in world["people"][approver][0]
        capacity = "deputy" if approver != authority else "security" if in_security else "lead"
        with suppress(DatabaseError), transaction.atomic():  # one that cannot be is left out
            Approval.objects.create(
                request=mine, approver=users[approver], authority=users[authority], capacity=capacity,
                decision="approved", stage=stage, content_digest="a" * 64, created_at=now,
            )  # fmt: skip
    return mine


def world_of(kinds, deputies, approvals, requester=3, leads=2):
    people = [KINDS[kind] for kind in kinds]
    drawn = {"people": people, "deputies": deputies, "requester": requester, "approvals": approvals}
    return {**drawn, "critical": False, "leads": leads}


@settings(
    max_examples=50,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@example(world=world_of([0, 8, 0, 8], [(0, 1, True, 0)], [(0, 0)]))  # the deputy's voice is used up
@example(world=world_of([0, 8, 0, 8], [(2, 0, True, 0)], [(0, 0)]))  # the same user would speak twice
@example(world=world_of([4, 8, 1, 1], [(3, 0, False, 0)], []))  # Security stands in for the requester elsewhere
@given(world=worlds)
def test_who_is_asked_is_exactly_who_finds_it_waiting(cast, world):
    """The rule in Python, for everyone at once, and the rule in the database, for one user and many requests."""
    undo = transaction.savepoint()
    try:
        mine = build(world, cast)
        active = User.objects.filter(is_active=True).order_by("username")
        found = [user for user in active if deciders.waiting_for(access.Person(user)).filter(pk=mine.pk).exists()]
        assert deciders.deciders_of_each([mine]).get(mine.pk, []) == found
        if not world["critical"]:
            mine.pk, mine.incident, mine.lifetime_days = uuid4(), "INC-1", 1
            mine.save(force_insert=True)
            found = [one for one in active if deciders.reviewable(access.Person(one)).filter(pk=mine.pk).exists()]
            assert deciders.reviewers_of_each([mine])[mine.pk] == found
    finally:
        transaction.savepoint_rollback(undo)


def more_in(group: str, number: int, team: Team | None = None) -> None:
    """Add so many users to a group; as leads of a team where there is one."""
    start = User.objects.count()
    for place in range(start, start + number):
        user = User.objects.create(username=f"more-{place}", email=f"more-{place}@example.test")
        user.groups.add(Group.objects.get(name=group))
        if team:
            TeamMembership.objects.create(team=team, user=user, is_lead=True)


def queries(act) -> int:
    """Return how many queries something takes, without the ledger's, whose tree needs now one more, now one less."""
    with CaptureQueriesContext(connection) as captured:
        act()
    return sum("audit_" not in one["sql"] for one in captured)


@pytest.mark.parametrize("group", [access.SECURITY, access.TEAM_LEADS])
def test_sending_a_request_takes_no_more_queries_with_more_people(mailing, group):  # noqa: F811
    mailing.ask("lead")  # what is looked up once
    few = queries(lambda: mailing.ask("lead", friendly_name="few"))
    more_in(group, 30, mailing.team if group == access.TEAM_LEADS else None)
    forget()
    assert queries(lambda: mailing.ask("lead", friendly_name="many")) == few
    assert len(recipients()) > 30


def test_deciding_takes_no_more_queries_with_more_people(mailing):  # noqa: F811
    requests = [mailing.ask(permissions=MAKE_KEYS, friendly_name=name) for name in ("few", "many", "next")]
    few = queries(lambda: mailing.decide("lead", requests[0], "approve"))
    more_in(access.SECURITY, 30)
    assert queries(lambda: mailing.decide("lead", requests[1], "approve")) == few


def test_announcing_what_lapses_takes_no_more_queries_with_more_people(mailing):  # noqa: F811
    late = timezone.now() + 13.5 * DAY
    mailing.ask()
    few = queries(lambda: digests.announce_lapses(late))
    more_in(access.TEAM_LEADS, 30, mailing.team)
    forget()
    NoticeKey.objects.all().delete()
    assert queries(lambda: digests.announce_lapses(late)) == few
    assert len(recipients()) == 33


def test_the_digest_looks_for_everyone_at_once(mailing):  # noqa: F811
    """What it writes grows with those who get one, and nothing else does."""
    mailing.ask()
    now = (timezone.now() + DAY).replace(hour=12)
    more_in(access.SECURITY, 30)
    none_more = queries(lambda: digests.send_digests(now))
    assert recipients() == ["colead", "colead", "lead", "lead"]  # of the request, and the digest
    more_in(access.SECURITY, 30)
    assert queries(lambda: digests.send_digests(now + DAY)) == none_more


def test_opening_a_review_takes_no_more_queries_with_more_leads(mailing):  # noqa: F811
    mailing.issued()
    security = Actor.of(mailing.user("security"))
    few = queries(lambda: access_reviews.open_review(quarter="2026-Q3", actor=security))
    access_reviews.close_review(review=models.AccessReview.objects.get(), actor=security)
    more_in(access.TEAM_LEADS, 30, mailing.team)
    assert queries(lambda: access_reviews.open_review(quarter="2026-Q4", actor=security)) <= few


@pytest.mark.parametrize("url", ["/deputies/", "/admin/keys_app/keyrequest/", "/admin/keys_app/keyrequest/{}/change/"])
def test_a_page_takes_no_more_queries_with_more_people(cast, url):
    url = url.format(cast.ask().pk)
    client = cast.client("lead")
    client.get(url)
    few = queries(lambda: client.get(url))
    more_in(access.TEAM_LEADS, 30, cast.team)
    more_in(access.SECURITY, 30)
    assert queries(lambda: client.get(url)) == few
