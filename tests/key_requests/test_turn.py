"""Whose turn a request is: one notion for its page, its title, lists, refusals and mails."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings

from keys_app.core.actor import name_list
from keys_app.key_requests import deciders
from keys_app.key_requests.models import KeyRequest
from keys_app.key_requests.queries import Thread, visible_requests
from keys_app.key_requests.turn import Todo, turn_of, turns_of, turns_of_each
from keys_app.organisation import access
from keys_app.organisation.models import TeamMembership
from tests.cast import MAKE_KEYS, READ_MESSAGES, text_of
from tests.key_requests.test_deciders import build, worlds
from tests.key_requests.test_questions import answer_to, ask

DAY = timedelta(days=1)
LEADS = "Colead Person or Lead Person"
SECURITY = "Security Person or Security2 Person"


def noted(key_request):
    """Return the request as every page reads it."""
    return visible_requests(access.Person(User.objects.get(username="security"))).get(pk=key_request.pk)


def todos(key_request):
    return [(one.todo, [user.username for user in one.whose]) for one in turns_of(noted(key_request))]


def title_of(cast, role, url):
    page = cast.client(role).get(url).content.decode()
    return " ".join(re.search(r"<title>(.*?)</title>", page, re.DOTALL).group(1).split())


def status_of(cast, role, key_request):
    return text_of(cast.client(role).get(f"/requests/{key_request.pk}/"))


# Two roles side by side: whose turn it is, each sees in their own words


def test_each_step_of_a_request_is_the_turn_of_those_who_take_it(cast):
    key_request = cast.ask(permissions=MAKE_KEYS)
    assert todos(key_request) == [(Todo.DECIDE, ["colead", "lead"])]
    cast.decide("lead", key_request, "approve")
    assert todos(key_request) == [(Todo.DECIDE, ["security", "security2"])]
    cast.decide("security", key_request, "approve")
    assert todos(key_request) == [(Todo.ISSUE, ["engineer"])]
    cast.issue(key_request)
    assert todos(key_request) == []


@pytest.mark.parametrize(
    ("role", "title", "words"),
    [
        ("engineer", "Waiting for Colead Person or Lead Person", f"{LEADS} gives the first approval of 2."),
        ("lead", "Your turn – give the first approval of 2", "Next: Give the first approval of 2."),
        ("security", "Waiting for Colead Person or Lead Person", f"{LEADS} gives the first approval of 2."),
    ],
)
def test_a_pending_request_names_who_decides(cast, role, title, words):
    key_request = cast.ask(permissions=MAKE_KEYS)
    assert title_of(cast, role, f"/requests/{key_request.pk}/") == f"{title} · usage-report · Key portal"
    assert words in status_of(cast, role, key_request)


@pytest.mark.parametrize(
    ("role", "title"),
    [("engineer", "Approved – issue your key"), ("lead", "Waiting for Engineer Person")],
)
def test_an_approved_request_is_its_requesters_to_issue(cast, role, title):
    key_request = cast.approved()
    assert title_of(cast, role, f"/requests/{key_request.pk}/") == f"{title} · usage-report · Key portal"


@pytest.mark.parametrize(
    ("role", "title"), [("lead", "Your turn – decide"), ("security", "Waiting for Colead Person or Lead Person")]
)
def test_the_page_on_which_it_is_decided_begins_alike(cast, role, title):
    key_request = cast.ask()
    url = f"/admin/keys_app/keyrequest/{key_request.pk}/change/"
    assert title_of(cast, role, url).startswith(f"{title} · usage-report · ")


def test_the_title_of_a_closed_request_says_its_state(cast):
    key_request = cast.ask()
    cast.decide("lead", key_request, "reject", "No.")
    assert title_of(cast, "engineer", f"/requests/{key_request.pk}/") == "Rejected · usage-report · Key portal"


def test_the_second_approval_is_said_to_be_the_second_with_its_names(cast):
    key_request = cast.ask(permissions=MAKE_KEYS)
    done = cast.decide("lead", key_request, "approve")
    words = f"Security gives the second approval: {SECURITY}."
    assert f"Your approval of “usage-report” is recorded. {words}" in text_of(done.client.get(done["Location"]))
    assert words in status_of(cast, "engineer", key_request)
    assert f"You have approved this request. {words}" in text_of(cast.decide("lead", key_request, "approve"))


def test_without_anyone_who_may_decide_it_says_whom_to_ask(cast):
    key_request = cast.ask()
    User.objects.exclude(username="engineer").update(is_active=False)
    assert todos(key_request) == [(Todo.DECIDE, [])]
    assert "No one may decide this request now. Ask a portal admin" in status_of(cast, "engineer", key_request)


def test_what_is_overdue_is_no_ones_turn(cast):
    pending, approved = cast.ask(friendly_name="late"), cast.approved(friendly_name="unused")
    KeyRequest.objects.filter(pk=pending.pk).update(created_at=timezone.now() - 15 * DAY)
    KeyRequest.objects.filter(pk=approved.pk).update(claim_until=timezone.now() - DAY)
    assert (todos(pending), todos(approved)) == ([], [])
    assert title_of(cast, "engineer", f"/requests/{pending.pk}/") == "Overdue · late · Key portal"


def test_a_broken_glass_is_to_issue_and_to_review(cast):
    cast.let_break_glass()
    broken = cast.ask(incident="INC-7", lifetime_days="1", permissions=READ_MESSAGES)
    assert todos(broken) == [
        (Todo.ISSUE, ["engineer"]),
        (Todo.REVIEW, ["colead", "lead", "security", "security2"]),
    ]
    words = "Colead Person, Lead Person, Security Person or Security2 Person may review why glass was broken."
    assert words in status_of(cast, "engineer", broken)
    assert title_of(cast, "lead", f"/requests/{broken.pk}/").startswith("Glass broken – review it")


# Questions


@pytest.mark.parametrize("url", ["/requests/", "/", "page"])
def test_a_question_makes_it_the_requesters_turn_and_the_answer_the_approvers(cast, url):
    key_request = cast.ask(permissions=READ_MESSAGES)
    seen = url if url != "page" else f"/requests/{key_request.pk}/"
    engineer, lead = cast.client("engineer"), cast.client("lead")
    assert "Answer needed" not in text_of(engineer.get(seen))
    ask(cast, "lead", key_request, "Which system reads them?")
    assert "Answer needed" in text_of(engineer.get(seen))
    assert todos(key_request) == [(Todo.ANSWER, ["engineer"]), (Todo.DECIDE, ["colead", "lead"])]
    answer_to(cast, "engineer", key_request, "The archive.")
    assert "Answer needed" not in text_of(engineer.get(seen))
    assert todos(key_request) == [(Todo.DECIDE, ["colead", "lead"])]
    for approvals in ("/", "/admin/keys_app/keyrequest/", f"/requests/{key_request.pk}/"):
        assert "Answered" in text_of(lead.get(approvals))
    ask(cast, "colead", key_request, "And who reads the archive?")
    assert "Answer needed" in text_of(engineer.get(seen))


def test_the_title_says_that_an_answer_is_needed(cast):
    key_request = cast.ask()
    ask(cast, "lead", key_request, "Why?")
    url = f"/requests/{key_request.pk}/"
    assert title_of(cast, "engineer", url) == "Answer needed – Lead Person asks · usage-report · Key portal"
    assert "Next: Answer Lead Person’s question." in status_of(cast, "engineer", key_request)
    assert title_of(cast, "lead", url).startswith("Your turn – decide"), "a question does not take the decision away"
    assert title_of(cast, "security", url).startswith("Waiting for Engineer Person")


def test_what_the_requester_adds_unasked_answers_nothing(cast):
    key_request = cast.ask()
    answer_to(cast, "engineer", key_request, "It is urgent.")
    assert noted(key_request).thread == ""


@pytest.mark.parametrize("end", ["reject", "cancel"])
def test_a_closed_request_needs_no_answer(cast, end):
    key_request = cast.ask()
    ask(cast, "lead", key_request, "Why?")
    if end == "reject":
        cast.decide("lead", key_request, "reject", "No.")
    else:
        cast.client("engineer").post(f"/requests/{key_request.pk}/cancel/")
    assert noted(key_request).thread == "" and todos(key_request) == []
    assert "Answer needed" not in status_of(cast, "engineer", key_request)


def test_a_question_about_an_approved_request_leaves_it_to_issue_first(cast):
    key_request = cast.approved()
    ask(cast, "lead", key_request, "Which host?")
    assert [todo for todo, _ in todos(key_request)] == [Todo.ISSUE, Todo.ANSWER]
    assert noted(key_request).thread == Thread.ASKED


# Lists

REQUESTS, KEYS, APPROVALS = "/requests/", "/keys/", "/admin/keys_app/keyrequest/?show=all"


@pytest.mark.parametrize(
    ("role", "url", "pending", "approved"),
    [
        ("engineer", REQUESTS, "Waiting for Colead Person or Lead Person", "Your turn: issue the key"),
        ("lead", REQUESTS, "Your turn: approve or reject it", "Waiting for Engineer Person"),
        ("lead", APPROVALS, "Your turn: approve or reject it", "Waiting for Engineer Person"),
        ("security", APPROVALS, "Waiting for Colead Person or Lead Person", "Waiting for Engineer Person"),
    ],
)
def test_each_row_of_a_list_says_whose_turn_it_is(cast, role, url, pending, approved):
    cast.ask(friendly_name="undecided")
    cast.approved(friendly_name="unissued")
    rows = rows_of(cast.client(role).get(url))
    assert pending in rows["undecided"] and approved in rows["unissued"]


@pytest.mark.parametrize(
    ("role", "words"),
    [("engineer", "Your turn: confirm that the secret is stored"), ("lead", "Waiting for Engineer Person")],
)
def test_a_key_in_a_list_says_whose_turn_it_is(cast, role, words):
    key_request, _ = cast.issued()
    key = key_request.keys.get()
    assert words in rows_of(cast.client(role).get(KEYS))[key.name]
    cast.client("engineer").post(f"/keys/{key.pk}/confirm/")
    assert words not in rows_of(cast.client(role).get(KEYS))[key.name]


def rows_of(page):
    """Return the text of each row of a list by its name."""
    rows = re.findall(r"<tr[^>]*data-row.*?</tr>", page.content.decode(), re.DOTALL)
    texts = [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in rows]
    return {text.split()[0]: text for text in texts}


# Names


@pytest.mark.parametrize(
    ("number", "words"),
    [(1, "A 1"), (2, "A 1 or A 2"), (4, "A 1, A 2, A 3 or A 4"), (5, "A 1, A 2, A 3 or one of 2 others"),
     (7, "A 1, A 2, A 3, A 4 or one of 3 others")],
)  # fmt: skip
def test_many_names_are_cut(number, words):
    users = [User(username=f"u{n}", first_name="A", last_name=str(n)) for n in range(1, number + 1)]
    assert name_list(users) == words


def test_two_with_one_name_are_told_apart_by_their_logins():
    users = [User(username=name, first_name="Lena", last_name="Lead") for name in ("lena", "lena2")]
    assert name_list([*users, User(username="sam")], "and") == "Lena Lead (lena), Lena Lead (lena2) and sam"


# The rule, for many


@settings(
    max_examples=40,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(world=worlds)
def test_whose_turn_it_is_agrees_with_who_finds_it_waiting(cast, world):
    undo = transaction.savepoint()
    try:
        mine = noted(build(world, cast))
        turns = turns_of(mine)
        (decision,) = turns
        for user in User.objects.filter(is_active=True):
            waits = deciders.waiting_for(access.Person(user)).filter(pk=mine.pk).exists()
            assert decision.is_of(user) is waits
            turn = turn_of(turns, user)
            assert turn.title(user).startswith("Your turn") is waits
            assert turn.words(user).startswith("Your turn: ") is waits
    finally:
        transaction.savepoint_rollback(undo)


def test_it_takes_no_more_queries_for_more_requests_and_people(cast):
    def queries():
        asked = list(visible_requests(access.Person(cast.user("security"))))
        with CaptureQueriesContext(connection) as captured:
            assert len(turns_of_each(asked)) == len(asked)
        return len(captured)

    cast.let_break_glass()
    cast.ask(incident="INC-7", lifetime_days="1", permissions=READ_MESSAGES)
    ask(cast, "lead", cast.ask(), "Why?")
    before = queries()
    for number in range(4):
        lead = User.objects.create(username=f"more{number}")
        lead.groups.add(Group.objects.get(name=access.TEAM_LEADS))
        TeamMembership.objects.create(team=cast.team, user=lead, is_lead=True)
        ask(cast, "lead", cast.ask(friendly_name=f"more-{number}"), "Why?")
    assert queries() == before <= 12
