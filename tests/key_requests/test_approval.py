"""Deciding in the admin: who may, what is bound to the decision, and what is refused."""

import pytest
from django.contrib.auth.models import Group

from keys_app.key_requests.decision_models import Approval
from keys_app.key_requests.models import KeyRequest
from keys_app.organisation.models import TeamMembership
from tests.cast import MAKE_KEYS, tamper, text_of

LIST = "/admin/keys_app/keyrequest/"


def _url(key_request):
    return f"{LIST}{key_request.pk}/change/"


def test_it_approves_and_calls_twilio_not_at_all(cast, standin, actions):
    before = standin.requests()
    key_request = cast.ask()
    answer = cast.decide("lead", key_request, "approve")
    key_request.refresh_from_db()
    assert answer.status_code == 302
    assert key_request.state == "approved"
    assert key_request.approvals.get().content_digest == key_request.content_digest
    assert standin.requests() == before
    assert actions(key_request.pk) == ["request.created", "request.approved"]


def test_it_rejects_with_a_reason_that_the_requester_sees(cast, actions):
    key_request = cast.ask()
    assert cast.decide("lead", key_request, "reject", "Too wide.").status_code == 302
    page = text_of(cast.client("engineer").get(f"/requests/{key_request.pk}/"))
    assert "Rejected" in page
    assert "Too wide." in page
    assert actions(key_request.pk)[-1] == "request.rejected"


@pytest.mark.parametrize(("reason", "message"), [(" ", "Give a reason"), ("x" * 2001, "2001 characters")])
def test_it_does_not_reject_without_a_fitting_reason(cast, reason, message):
    key_request = cast.ask()
    answer = cast.decide("lead", key_request, "reject", reason)
    key_request.refresh_from_db()
    assert answer.status_code == 422
    assert message in text_of(answer)
    assert reason.strip() in answer.content.decode()
    assert key_request.state == "pending"


def test_it_refuses_a_post_without_a_decision(cast):
    key_request = cast.ask()
    assert cast.decide("lead", key_request, "").status_code == 422
    assert not Approval.objects.exists()


@pytest.mark.parametrize("digest", ["", "0" * 64, "not a digest é"])
def test_it_refuses_an_approval_of_something_else_than_what_is_stored(cast, digest):
    key_request = cast.ask()
    answer = cast.decide("lead", key_request, "approve", digest=digest)
    key_request.refresh_from_db()
    assert answer.status_code == 409
    assert "not what this page showed" in text_of(answer)
    assert key_request.state == "pending"


def test_it_refuses_when_the_request_changed_after_the_page_was_opened(cast):
    key_request = cast.ask()
    shown = key_request.content_digest
    tamper(key_request, lifetime_days=365)
    answer = cast.decide("lead", key_request, "approve", digest=shown)
    assert answer.status_code == 409
    assert not Approval.objects.exists()


@pytest.mark.parametrize(
    ("requester", "decider", "status"),
    [
        ("engineer", "lead", 302),
        ("engineer", "colead", 302),
        ("engineer", "security", 409),
        ("engineer", "lead2", 404),
        ("engineer", "admin", 404),
        ("engineer", "engineer", 403),
        ("engineer", "colleague", 403),
        ("engineer", "stranger", 403),
        ("lead", "lead", 409),
        ("lead", "colead", 302),
        ("lead", "security", 302),
    ],
)
def test_it_lets_decide_who_may(cast, requester, decider, status):
    key_request = cast.ask(requester)
    digest = key_request.content_digest
    answer = cast.decide(decider, key_request, "approve", digest=digest)
    key_request.refresh_from_db()
    assert answer.status_code == status
    assert (key_request.state == "approved") is (status == 302)


def test_it_never_lets_anybody_approve_their_own_whatever_their_rights(cast):
    everything = cast.people["admin"]
    everything.groups.set(Group.objects.all())
    TeamMembership.objects.create(team=cast.team, user=everything, is_lead=True)
    key_request = cast.ask("admin")
    page = cast.client("admin").get(_url(key_request))
    answer = cast.decide("admin", key_request, "approve", digest=key_request.content_digest)
    key_request.refresh_from_db()
    assert "own request" in text_of(page)
    assert "Approve</button>" not in page.content.decode()
    assert answer.status_code == 409
    assert key_request.state == "pending"


def test_it_takes_a_lead_and_then_security_for_a_critical_policy(cast, actions):
    key_request = cast.ask(permissions=MAKE_KEYS)
    assert cast.decide("security", key_request, "approve", digest=key_request.content_digest).status_code == 409
    assert cast.decide("lead", key_request, "approve").status_code == 302
    key_request.refresh_from_db()
    assert key_request.state == "pending"
    assert "Security gives the second approval" in text_of(cast.client("lead").get(_url(key_request)))
    assert cast.decide("lead", key_request, "approve", digest=key_request.content_digest).status_code == 409
    assert cast.decide("colead", key_request, "approve", digest=key_request.content_digest).status_code == 409
    assert cast.decide("security", key_request, "approve").status_code == 302
    key_request.refresh_from_db()
    assert key_request.state == "approved"
    assert actions(key_request.pk) == ["request.created", "request.approval_given", "request.approved"]


def test_it_takes_two_people_even_where_a_lead_is_in_security(cast):
    TeamMembership.objects.create(team=cast.team, user=cast.people["security"], is_lead=True)
    cast.people["security"].groups.add(cast.people["lead"].groups.get())
    key_request = cast.ask(permissions=MAKE_KEYS)
    assert cast.decide("security", key_request, "approve").status_code == 302
    assert cast.decide("security", key_request, "approve", digest=key_request.content_digest).status_code == 409
    assert cast.decide("security2", key_request, "approve").status_code == 302


def test_it_tells_the_second_of_two_leads_who_decided(cast):
    key_request = cast.ask()
    cast.decide("lead", key_request, "approve")
    answer = cast.decide("colead", key_request, "reject", "No.", digest=key_request.content_digest)
    assert answer.status_code == 409
    assert "Lead Person (lead) decided it" in text_of(answer)
    assert key_request.approvals.count() == 1


def test_it_asks_for_the_rights_at_the_moment_of_the_decision(cast):
    key_request = cast.ask()
    client = cast.client("lead")
    assert client.get(_url(key_request)).status_code == 200
    TeamMembership.objects.filter(user=cast.people["lead"]).update(is_lead=False)
    digest = key_request.content_digest
    answer = client.post(_url(key_request), {"decision": "approve", "digest": digest, "reason": ""})
    assert answer["Location"].startswith("/admin/login/")
    assert client.get(answer["Location"]).status_code == 403
    assert not Approval.objects.exists()


def test_it_lists_only_the_teams_one_leads_oldest_pending_first(cast):
    first, _, _ = (cast.ask(friendly_name=name) for name in ("first", "second", "third"))
    foreign = cast.ask("engineer2", friendly_name="foreign", account=cast.other_account.sid)
    cast.decide("lead", first, "approve")
    shown = [item.friendly_name for item in cast.client("lead").get(LIST).context["listing"].rows]
    assert shown == ["second", "third"]
    decided = cast.client("lead").get(LIST, {"show": "decided"}).context["listing"].rows
    assert [item.friendly_name for item in decided] == ["first"]
    assert cast.client("lead").get(_url(foreign)).status_code == 404
    assert len(cast.client("security").get(LIST, {"show": "all"}).context["listing"].rows) == 4


@pytest.mark.parametrize("role", ["engineer", "stranger", "admin"])
def test_it_is_closed_to_people_who_do_not_decide(cast, role):
    cast.ask()
    assert cast.client(role).get(LIST, follow=True).status_code == 403


def test_it_cannot_be_edited_added_or_deleted_in_the_admin(cast):
    key_request = cast.ask()
    for role in ("lead", "security"):
        client = cast.client(role)
        assert client.get(f"{LIST}add/").status_code == 403
        assert client.post(f"{LIST}{key_request.pk}/delete/", {"post": "yes"}).status_code == 403
    assert KeyRequest.objects.filter(pk=key_request.pk).exists()
