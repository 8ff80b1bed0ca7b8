"""Accounts whose requests two leads decide, and who stands in where there are too few."""

import pytest
from django.contrib.auth.models import User

from keys_app.key_requests.decision_models import Approval
from keys_app.organisation.models import Account, TeamMembership
from tests.cast import MAKE_KEYS, secret_in, text_of


@pytest.fixture
def strict(cast):
    Account.objects.filter(pk=cast.account.pk).update(leads_required=2)
    return cast


def approve(cast, role, key_request):
    answer = cast.decide(role, key_request, "approve", digest=key_request.content_digest)
    key_request.refresh_from_db()
    return answer


def test_it_takes_two_leads(strict, actions):
    key_request = strict.ask()
    page = text_of(strict.client("lead").get(f"/admin/keys_app/keyrequest/{key_request.pk}/change/"))
    assert "Two leads of the team decide" in page
    assert approve(strict, "lead", key_request).status_code == 302
    assert key_request.state == "pending"
    assert not secret_in(strict.issue(key_request))
    again = approve(strict, "lead", key_request)
    assert again.status_code == 409
    assert "You have approved this request. Colead Person gives the second approval of 2." in text_of(again)
    assert approve(strict, "security", key_request).status_code == 409
    assert approve(strict, "colead", key_request).status_code == 302
    assert key_request.state == "approved"
    assert actions(key_request.pk) == ["request.created", "request.approval_given", "request.approved"]
    assert secret_in(strict.issue(key_request))


def test_it_takes_security_as_the_third_on_a_critical_one(strict):
    key_request = strict.ask(permissions=MAKE_KEYS)
    assert approve(strict, "lead", key_request).status_code == 302
    assert approve(strict, "security", key_request).status_code == 409
    assert approve(strict, "colead", key_request).status_code == 302
    assert key_request.state == "pending"
    assert approve(strict, "security", key_request).status_code == 302
    assert key_request.state == "approved"
    assert [item.capacity for item in key_request.approvals.all()] == ["lead", "lead", "security"]


def test_one_lead_can_reject(strict, actions):
    key_request = strict.ask()
    approve(strict, "lead", key_request)
    assert strict.decide("colead", key_request, "reject", "No.").status_code == 302
    key_request.refresh_from_db()
    assert key_request.state == "rejected"
    assert actions(key_request.pk)[-1] == "request.rejected"


def test_it_lets_security_stand_in_where_one_lead_is_left(strict):
    key_request = strict.ask()
    assert approve(strict, "security", key_request).status_code == 409
    User.objects.filter(username="colead").update(is_active=False)
    assert approve(strict, "lead", key_request).status_code == 302
    assert approve(strict, "security", key_request).status_code == 302
    assert key_request.state == "approved"


def test_it_lets_another_lead_and_security_decide_a_leads_own(strict):
    key_request = strict.ask("lead")
    assert approve(strict, "lead", key_request).status_code == 409
    assert approve(strict, "colead", key_request).status_code == 302
    assert key_request.state == "pending"
    assert approve(strict, "security", key_request).status_code == 302
    assert key_request.state == "approved"


def test_it_asks_for_two_where_the_account_asks_for_more_after_the_request(cast):
    key_request = cast.ask()
    Account.objects.update(leads_required=2)
    assert approve(cast, "lead", key_request).status_code == 302
    assert key_request.state == "pending"
    assert approve(cast, "colead", key_request).status_code == 302
    assert key_request.state == "approved"


def test_it_asks_for_no_less_than_when_it_was_sent(strict):
    key_request = strict.ask()
    Account.objects.update(leads_required=1)
    assert approve(strict, "lead", key_request).status_code == 302
    assert key_request.state == "pending"
    assert approve(strict, "colead", key_request).status_code == 302
    assert key_request.state == "approved"


def test_an_approval_given_towards_two_leaves_the_other_lead_their_turn(cast):
    """The account asked for two when the first was given, and for one again after that."""
    key_request = cast.ask()
    Account.objects.update(leads_required=2)
    assert approve(cast, "lead", key_request).status_code == 302
    Account.objects.update(leads_required=1)
    assert approve(cast, "security", key_request).status_code == 409
    assert approve(cast, "colead", key_request).status_code == 302
    assert key_request.state == "approved"


def test_a_lead_removed_meanwhile_is_told_that_nothing_was_done(strict):
    key_request = strict.ask()
    strict.lead_too("lead", strict.other_team)  # still somebody who decides, but not here
    client = strict.client("lead")
    url = f"/admin/keys_app/keyrequest/{key_request.pk}/change/"
    shown = client.get(url).context["shown"]
    TeamMembership.objects.filter(user=strict.people["lead"], team=strict.team).delete()
    fields = {"decision": "approve", "digest": key_request.content_digest, "reason": "Typed."}
    answer = client.post(url, {**fields, "shown": shown})
    assert answer.status_code == 409
    assert "You no longer decide for the team of “usage-report”" in text_of(answer)
    for forged in ("", "x", shown[:-1], shown + "\0"):
        assert client.post(url, {**fields, "shown": forged}).status_code == 404
    assert strict.client("lead2").post(url, {**fields, "shown": shown}).status_code == 404
    assert not Approval.objects.exists()


def test_a_lead_removed_from_their_only_team_is_told_so(cast):
    key_request = cast.ask()
    client = cast.client("lead")
    TeamMembership.objects.filter(user=cast.people["lead"]).delete()
    fields = {"decision": "approve", "digest": key_request.content_digest}
    answer = client.post(f"/admin/keys_app/keyrequest/{key_request.pk}/change/", fields, follow=True)
    assert answer.status_code == 403
    assert "You decide no requests, or not any more. If you pressed a button, nothing was done." in text_of(answer)
    assert not Approval.objects.exists()


@pytest.mark.parametrize("decision", ["approve", "narrow"])
@pytest.mark.parametrize(
    ("gone", "message"),
    [("account", "switched off"), ("requester", "can no longer sign in")],
)
def test_it_approves_nothing_that_could_not_be_issued_but_lets_it_be_rejected(cast, actions, decision, gone, message):
    key_request = cast.ask()
    if gone == "account":
        Account.objects.update(is_active=False)
    else:
        User.objects.filter(username="engineer").update(is_active=False)
    narrowing = {"keep": list(key_request.policy), "lifetime_days": "7"}
    answer = cast.decide("lead", key_request, decision, "A long reason.", **narrowing)
    assert answer.status_code == 409
    assert message in text_of(answer)
    assert "A long reason." in answer.content.decode()
    key_request.refresh_from_db()
    assert (key_request.state, key_request.lifetime_days) == ("pending", 30)
    assert actions(key_request.pk) == ["request.created"]
    assert cast.decide("lead", key_request, "reject", "It is gone.").status_code == 302
    assert actions(key_request.pk) == ["request.created", "request.rejected"]


def test_it_does_not_approve_with_an_over_long_reason(cast):
    key_request = cast.ask()
    answer = cast.decide("lead", key_request, "approve", "y" * 2001)
    assert answer.status_code == 422
    assert "The reason has 2001 characters; at most 2000 are kept." in text_of(answer)
    assert "y" * 2001 in answer.content.decode()
    assert not Approval.objects.exists()
