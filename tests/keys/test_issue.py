"""The way of a key through the pages, against the stand-in."""

import pytest

from keys_app.key_requests.models import Issuance
from keys_app.keys.models import ApiKey
from keys_app.organisation.models import TeamMembership
from tests.cast import MAKE_KEYS, READ_MESSAGES, secret_in, tamper, text_of


def test_it_goes_the_whole_way(cast, standin, actions):
    key_request = cast.ask(permissions=READ_MESSAGES)
    assert cast.decide("lead", key_request, "approve").status_code == 302
    answer = cast.issue(key_request)
    secret = secret_in(answer)
    key = ApiKey.objects.get(request=key_request)
    at_twilio = standin.key(key.sid)
    assert len(secret) == 32
    assert f'<code id="key-sid" translate="no">{key.sid}</code>' in answer.content.decode()
    assert at_twilio["policy"] == READ_MESSAGES
    assert at_twilio["friendly_name"] == f"usage-report [kp:{key.issuance.marker}]"
    assert answer["Cache-Control"] == "no-store, private"
    assert actions(key_request.pk) == [
        "request.created",
        "request.approved",
        "key.issue_started",
        "key.issued",
    ]


def test_it_shows_the_secret_in_no_other_answer(cast):
    key_request, secret = cast.issued()
    key = key_request.keys.get()
    for role in ("engineer", "lead", "security"):
        client = cast.client(role)
        for url in ("/", "/requests/", f"/requests/{key_request.pk}/", "/keys/", f"/keys/{key.sid}/"):
            answer = client.get(url)
            assert answer.status_code == 200
            assert secret not in answer.content.decode()
    assert secret not in cast.client("security").get("/audit/").content.decode()


def test_it_answers_htmx_with_one_dialog(cast):
    answer = cast.issue(cast.approved(), headers={"HX-Request": "true"})
    body = answer.content.decode()
    assert body.count("<dialog") == 1
    assert "<html" not in body
    assert secret_in(answer)


def test_it_says_when_and_by_whom_on_a_second_press(cast, standin):
    key_request, secret = cast.issued()
    before = standin.requests()["create"]
    answer = cast.issue(key_request)
    assert answer.status_code == 409
    assert "Engineer Person" in text_of(answer)
    assert key_request.keys.get().sid in text_of(answer)
    assert secret not in answer.content.decode()
    assert standin.requests()["create"] == before


@pytest.mark.parametrize(
    ("role", "status"), [("lead", 403), ("security", 403), ("colleague", 404), ("lead2", 404), ("admin", 404)]
)
def test_it_is_issued_by_the_requester_alone(cast, role, status):
    key_request = cast.approved()
    assert cast.issue(key_request, role).status_code == status
    assert not Issuance.objects.exists()


def test_it_needs_an_approval(cast, standin):
    key_request = cast.ask()
    before = standin.requests()["create"]
    answer = cast.issue(key_request)
    assert answer.status_code == 409
    assert "pending" in text_of(answer)
    assert standin.requests()["create"] == before


def test_it_needs_both_approvals_for_a_critical_policy(cast):
    key_request = cast.ask(permissions=MAKE_KEYS)
    cast.decide("lead", key_request, "approve")
    assert cast.issue(key_request).status_code == 409
    cast.decide("security", key_request, "approve")
    assert cast.issue(key_request).status_code == 200


def test_it_is_not_issued_by_get(cast):
    key_request = cast.approved()
    answer = cast.client("engineer").get(f"/requests/{key_request.pk}/issue/")
    assert (answer.status_code, answer["Location"]) == (302, f"/requests/{key_request.pk}/")
    assert not Issuance.objects.exists()


def test_it_is_refused_to_somebody_who_left_the_team_of_the_request(cast):
    TeamMembership.objects.create(team=cast.other_team, user=cast.people["engineer"])
    cast.account.teams.add(cast.other_team)
    key_request = cast.approved(team=str(cast.team.pk))
    TeamMembership.objects.filter(team=cast.team, user=cast.people["engineer"]).delete()
    answer = cast.issue(key_request)
    assert answer.status_code == 409
    assert not Issuance.objects.exists()


def test_it_is_refused_when_the_account_left_the_team(cast, standin):
    key_request = cast.approved()
    cast.account.teams.clear()
    before = standin.requests()["create"]
    assert cast.issue(key_request).status_code == 409
    assert standin.requests()["create"] == before


def test_it_is_refused_when_the_row_is_not_what_was_approved(cast, standin):
    key_request = cast.approved()
    tamper(key_request, lifetime_days=365)
    before = standin.requests()["create"]
    answer = cast.issue(key_request)
    assert answer.status_code == 409
    assert "not what was approved" in text_of(answer)
    assert standin.requests()["create"] == before
