"""Two people decide at the same moment, with real connections: one outcome, and one event for it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from keys_app.key_requests.decision_models import Approval
from keys_app.organisation.models import TeamMembership
from tests.cast import MAKE_KEYS, READ_MESSAGES, text_of

ENDS = {"request.approved", "request.rejected", "request.cancelled"}


def at_once(*actions):
    """Run the actions in threads of their own that start together; return their answers in order."""
    start = threading.Barrier(len(actions))

    def run(action):
        try:
            start.wait(timeout=30)
            return action()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(run, actions))


def press(cast, role, key_request, decision, **fields):
    """Return a button that is ready to be pressed: its page was opened before the race."""
    client = cast.client(role)
    url = f"/admin/keys_app/keyrequest/{key_request.pk}/change/"
    assert client.get(url).status_code == 200
    values = {"decision": decision, "digest": key_request.content_digest, "reason": "So it is.", **fields}
    narrowing = {"keep": READ_MESSAGES[:1], "lifetime_days": "7"} if decision == "narrow" else {}
    return lambda: client.post(url, {**values, **narrowing})


def outcome(key_request, actions):
    """Return the state and the events that ended the request."""
    key_request.refresh_from_db()
    return key_request.state, [action for action in actions(key_request.pk) if action in ENDS]


@pytest.mark.parametrize("second", ["approve", "reject", "narrow"])
@pytest.mark.parametrize("first", ["approve", "reject", "narrow"])
def test_it_takes_one_of_two_leads_decisions(live_cast, actions, first, second):
    key_request = live_cast.ask(permissions=READ_MESSAGES)
    buttons = [press(live_cast, "lead", key_request, first), press(live_cast, "colead", key_request, second)]
    answers = at_once(*buttons)
    assert sorted(answer.status_code for answer in answers) == [302, 409]
    winner = ("Lead", first) if answers[0].status_code == 302 else ("Colead", second)
    loser = next(answer for answer in answers if answer.status_code == 409)
    assert f"{winner[0]} Person ({winner[0].lower()}) decided it" in text_of(loser)
    state = "rejected" if winner[1] == "reject" else "approved"
    assert outcome(key_request, actions) == (state, [f"request.{state}"])
    assert key_request.approvals.count() == 1
    assert key_request.narrowings.count() == (winner[1] == "narrow")
    assert actions(key_request.pk).count("request.narrowed") == (winner[1] == "narrow")


def test_it_has_one_outcome_of_an_approval_and_a_cancellation(live_cast, actions):
    key_request = live_cast.ask()
    engineer = live_cast.client("engineer")
    cancel = lambda: engineer.post(f"/requests/{key_request.pk}/cancel/")  # noqa: E731
    approved, cancelled = at_once(press(live_cast, "lead", key_request, "approve"), cancel)
    state, ends = outcome(key_request, actions)
    assert cancelled.status_code == 302  # what is approved can be cancelled as well
    assert state == "cancelled"
    assert ends == (["request.approved"] if approved.status_code == 302 else []) + ["request.cancelled"]


def test_it_takes_a_lead_and_their_deputy_as_one(live_cast, actions):
    type(live_cast.account).objects.update(leads_required=2)
    assert live_cast.delegate("lead", "colleague").status_code == 302
    key_request = live_cast.ask()
    people = ["lead", "colleague"]
    answers = at_once(*(press(live_cast, role, key_request, "approve") for role in people))
    assert sorted(answer.status_code for answer in answers) == [302, 409]
    assert outcome(key_request, actions) == ("pending", [])
    assert actions(key_request.pk) == ["request.created", "request.approval_given"]
    assert Approval.objects.get().authority == live_cast.people["lead"]


def test_it_takes_two_leads_at_once_where_two_are_needed(live_cast, actions):
    type(live_cast.account).objects.update(leads_required=2)
    key_request = live_cast.ask()
    answers = at_once(*(press(live_cast, role, key_request, "approve") for role in ("lead", "colead")))
    assert [answer.status_code for answer in answers] == [302, 302]
    assert outcome(key_request, actions) == ("approved", ["request.approved"])
    assert actions(key_request.pk) == ["request.created", "request.approval_given", "request.approved"]


def test_it_takes_one_of_two_second_approvals(live_cast, actions):
    key_request = live_cast.ask(permissions=MAKE_KEYS)
    assert live_cast.decide("lead", key_request, "approve").status_code == 302
    answers = at_once(*(press(live_cast, role, key_request, "approve") for role in ("security", "security2")))
    assert sorted(answer.status_code for answer in answers) == [302, 409]
    assert outcome(key_request, actions) == ("approved", ["request.approved"])
    assert list(key_request.approvals.values_list("capacity", flat=True)) == ["lead", "security"]


def test_it_has_one_outcome_of_an_approval_and_the_leads_removal(live_cast, actions):
    key_request = live_cast.ask()
    removed = TeamMembership.objects.filter(user=live_cast.people["lead"])
    answer, _ = at_once(press(live_cast, "lead", key_request, "approve"), lambda: removed.update(is_lead=False))
    state, ends = outcome(key_request, actions)
    taken = answer.status_code == 302 and not answer["Location"].startswith("/admin/login/")
    assert taken is (state == "approved") is (ends == ["request.approved"])
    assert key_request.approvals.count() == len(ends)


def test_it_takes_one_of_two_reviews(live_cast, actions):
    live_cast.let_break_glass()
    key_request = live_cast.ask(incident="INC-7")
    answers = at_once(*(press(live_cast, role, key_request, "review") for role in ("lead", "security")))
    assert sorted(answer.status_code for answer in answers) == [302, 409]
    assert actions(key_request.pk) == ["request.created", "request.glass_broken", "request.reviewed"]
    assert Approval.objects.get().decision == "reviewed"


def test_it_records_every_question_asked_at_once(live_cast, actions):
    key_request = live_cast.ask()
    answers = at_once(
        *(press(live_cast, role, key_request, "ask", question=f"Is it so, {role}?") for role in ("lead", "colead"))
    )
    assert [answer.status_code for answer in answers] == [302, 302]
    assert actions(key_request.pk) == ["request.created", "request.commented", "request.commented"]
    assert key_request.comments.count() == 2
