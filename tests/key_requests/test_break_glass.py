"""Issuing at once for an incident, and the review that has to follow."""

from datetime import timedelta

import pytest
from django.utils import timezone

from keys_app.audit.ledger import matching
from keys_app.key_requests.decision_models import Approval
from keys_app.key_requests.models import KeyRequest
from keys_app.organisation.models import TeamMembership
from tests.cast import MAKE_KEYS, READ_MESSAGES, secret_in, text_of

LIST = "/admin/keys_app/keyrequest/"
RED = "Glass broken, not reviewed"


@pytest.fixture
def broken(cast):
    """A request for an incident, sent by somebody who may."""
    cast.let_break_glass()
    return cast.ask(incident="INC-42", permissions=READ_MESSAGES, lifetime_days="90")


def review(cast, role, key_request, reason="Looked at the log: fine."):
    return cast.decide(role, key_request, "review", reason)


def test_it_issues_at_once_for_a_day(cast, broken, actions):
    assert (broken.state, broken.lifetime_days, broken.incident) == ("approved", 1, "INC-42")
    assert secret_in(cast.issue(broken))
    key = broken.keys.get()
    assert key.expires_at - key.issued_at == timedelta(days=1)
    started = ["request.created", "request.glass_broken", "key.issue_started", "key.issued"]
    assert actions(broken.pk) == started
    event = matching(action="request.glass_broken").get()
    assert (event.reason, event.details["incident"]) == ("A monthly report.", "INC-42")


def test_it_stays_red_until_it_is_reviewed(cast, broken, actions):
    change = f"/admin/keys_app/keyrequest/{broken.pk}/change/"
    assert "no one has reviewed it yet" in text_of(cast.client("engineer").get(f"/requests/{broken.pk}/"))
    for role in ("lead", "security"):
        assert RED in text_of(cast.client(role).get("/"))
        assert RED in text_of(cast.client(role).get("/admin/keys_app/keyrequest/"))
        assert "Mark as reviewed" in text_of(cast.client(role).get(change))
    assert RED not in text_of(cast.client("lead2").get("/"))
    assert review(cast, "lead", broken).status_code == 302
    assert RED not in text_of(cast.client("lead").get("/"))
    assert "glass broken and reviewed" in text_of(cast.client("security").get(f"{LIST}?show=all"))
    assert "no one has reviewed it yet" not in text_of(cast.client("engineer").get(f"/requests/{broken.pk}/"))
    assert actions(broken.pk)[-1] == "request.reviewed"
    assert (Approval.objects.get().decision, Approval.objects.get().capacity) == ("reviewed", "lead")


def test_it_is_listed_among_what_is_to_do(cast, broken):
    ordinary = cast.ask("colleague", friendly_name="ordinary")
    listed = cast.client("lead").get(LIST)
    assert {item.pk for item in listed.context["listing"].rows} == {broken.pk, ordinary.pk}


@pytest.mark.parametrize(("reason", "message"), [("  ", "Give a reason"), ("z" * 2001, "2001 characters")])
def test_it_wants_to_know_what_the_reviewer_found(cast, broken, actions, reason, message):
    answer = review(cast, "lead", broken, reason)
    assert answer.status_code == 422
    assert message in text_of(answer)
    assert reason.strip() in answer.content.decode()
    assert not Approval.objects.exists()
    assert "request.reviewed" not in actions()


@pytest.mark.parametrize(
    ("role", "status"),
    [("engineer", 403), ("colleague", 403), ("lead2", 404), ("admin", 404), ("lead", 302), ("security", 302)],
)
def test_it_is_reviewed_by_a_lead_of_the_team_or_security(cast, broken, role, status):
    assert review(cast, role, broken).status_code == status
    assert Approval.objects.count() == (status == 302)


def test_it_is_reviewed_once(cast, broken, actions):
    assert review(cast, "lead", broken).status_code == 302
    answer = review(cast, "colead", broken)
    assert answer.status_code == 409
    assert "somebody has reviewed it" in text_of(answer)
    assert actions().count("request.reviewed") == 1


def test_nobody_reviews_their_own_nor_does_their_deputy(cast):
    cast.let_break_glass("lead")
    cast.delegate("lead", "colleague")
    own = cast.ask("lead", incident="INC-1")
    for role in ("lead", "colleague"):
        assert review(cast, role, own).status_code == 409
    assert not Approval.objects.exists()
    assert review(cast, "colead", own).status_code == 302


def test_there_is_nothing_to_review_on_an_ordinary_request(cast):
    assert review(cast, "lead", cast.ask()).status_code == 409


def test_it_is_reviewed_even_if_it_was_never_used(cast, broken):
    assert cast.client("engineer").post(f"/requests/{broken.pk}/cancel/").status_code == 302
    assert RED in text_of(cast.client("lead").get("/"))
    assert review(cast, "security", broken).status_code == 302


def test_it_is_used_within_the_hour(cast, broken):
    KeyRequest.objects.update(claim_until=timezone.now() - timedelta(seconds=1))
    assert cast.issue(broken).status_code == 409
    broken.refresh_from_db()
    assert broken.state == "lapsed"
    assert not broken.keys.exists()


@pytest.mark.parametrize("role", ["colleague", "lead"])
def test_only_who_was_allowed_breaks_glass(cast, role):
    cast.let_break_glass("engineer")
    answer = cast.client(role).post("/requests/new/", cast.form(incident="INC-42"))
    assert answer.status_code == 422
    assert "You may not break glass for this team" in text_of(answer)
    assert "Break glass for an incident" not in text_of(cast.client(role).get("/requests/new/"))
    assert "Break glass for an incident" in text_of(cast.client("engineer").get("/requests/new/"))
    assert not KeyRequest.objects.exists()


def test_it_is_allowed_for_one_team_only(cast):
    cast.let_break_glass()
    cast.account.teams.set([cast.other_team])
    TeamMembership.objects.create(team=cast.other_team, user=cast.people["engineer"])
    assert cast.client("engineer").post("/requests/new/", cast.form(incident="INC-42")).status_code == 422
    assert not KeyRequest.objects.exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"permissions": MAKE_KEYS}, "Nobody breaks glass for permissions under /twilio/iam/"),
        ({"incident": "I" * 41}, "The number has 41 characters; at most 40 are kept."),
        ({"incident": "INC\u202e42"}, "U+202E (right-to-left override), after “INC”"),
        ({"purpose": " "}, "Say what the key is for."),
    ],
)
def test_it_refuses_bad_input_and_keeps_what_was_typed(cast, changes, message):
    cast.let_break_glass()
    fields = {**cast.form(incident="INC-42", friendly_name="kept-name"), **changes}
    answer = cast.client("engineer").post("/requests/new/", fields)
    assert answer.status_code == 422
    assert message in text_of(answer)
    assert f'value="{fields["incident"]}"' in answer.content.decode()
    assert 'value="kept-name"' in answer.content.decode()
    assert not KeyRequest.objects.exists()


def test_guard_rails_hold_for_it_too(cast):
    cast.let_break_glass()
    type(cast.team).objects.filter(pk=cast.team.pk).update(max_risk="low")
    answer = cast.client("engineer").post("/requests/new/", cast.form(incident="INC-1", permissions=READ_MESSAGES))
    assert answer.status_code == 422
    assert not KeyRequest.objects.exists()
