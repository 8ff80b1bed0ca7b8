"""An approval is withdrawn before the key is issued, and the request goes back to its approvers."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from post_office.models import STATUS, Email

from keys_app.audit.ledger import matching
from keys_app.core.actor import Actor
from keys_app.key_requests.decision_models import Approval, ApprovalRule
from keys_app.key_requests.expire import lapse_overdue
from keys_app.key_requests.models import KeyRequest
from keys_app.organisation.models import TeamMembership
from tests.cast import MAKE_KEYS, secret_in, text_of

from .test_decision_races import at_once, press


def withdraw(cast, role, key_request, reason="I mistook the account.", **changes):
    answer = cast.decide(role, key_request, "withdraw", reason, **changes)
    key_request.refresh_from_db()
    return answer


def page(cast, role, key_request):
    return cast.client(role).get(f"/admin/keys_app/keyrequest/{key_request.pk}/change/")


@pytest.mark.parametrize("role", ["lead", "colead", "security"])
def test_the_approver_another_lead_and_security_withdraw_it(cast, standin, actions, role):
    key_request = cast.approved()
    assert "Withdraw approval" in text_of(page(cast, role, key_request))
    assert withdraw(cast, role, key_request).status_code == 302
    assert key_request.state == "pending"
    before = standin.requests()["create"]
    assert cast.issue(key_request).status_code == 409
    assert standin.requests()["create"] == before
    assert actions(key_request.pk) == ["request.created", "request.approved", "request.approval_withdrawn"]
    event = matching(action="request.approval_withdrawn").get()
    assert (event.reason, event.details["of"], event.actor_name) == (
        "I mistook the account.", "lead", f"{role.capitalize()} Person",
    )  # fmt: skip
    approval = Approval.objects.get()
    assert (approval.void_by.username, approval.void_reason) == (role, "I mistook the account.")
    for url in (f"/requests/{key_request.pk}/", f"/admin/keys_app/keyrequest/{key_request.pk}/change/"):
        assert "I mistook the account." in text_of(cast.client("lead").get(url))
    own = text_of(cast.client("engineer").get(f"/requests/{key_request.pk}/"))
    assert "It needs approval again." in own
    assert "Colead Person or Lead Person decides this request." in own
    assert "Withdraw approval" not in text_of(page(cast, role, key_request))


@pytest.mark.parametrize(("role", "status"), [("engineer", 403), ("colleague", 403), ("lead2", 404), ("admin", 404)])
def test_nobody_else_does(cast, actions, role, status):
    key_request = cast.approved()
    assert withdraw(cast, role, key_request).status_code == status
    assert key_request.state == "approved"
    assert "request.approval_withdrawn" not in actions()
    assert withdraw(cast, "lead", key_request).status_code == 302


def test_a_deputy_does_for_their_lead(cast):
    key_request = cast.approved(by="colead")
    cast.delegate("lead", "colleague")
    assert withdraw(cast, "colleague", key_request).status_code == 302
    assert key_request.state == "pending"


def test_a_requester_who_leads_the_team_cancels_instead(cast):
    key_request = cast.approved("lead", by="colead")
    cast.delegate("lead", "colleague")
    answer = withdraw(cast, "lead", key_request)
    assert (answer.status_code, key_request.state) == (409, "approved")
    assert "This is your own request. Cancel it" in text_of(answer)
    assert "Withdraw approval" not in text_of(page(cast, "lead", key_request))
    answer = withdraw(cast, "colleague", key_request)
    assert (answer.status_code, key_request.state) == (409, "approved")
    assert withdraw(cast, "colead", key_request).status_code == 302


@pytest.mark.parametrize(("reason", "message"), [("  ", "Give a reason"), ("z" * 2001, "2001 characters")])
def test_it_wants_a_reason_and_keeps_what_was_typed(cast, actions, reason, message):
    key_request = cast.approved()
    answer = withdraw(cast, "lead", key_request, reason)
    assert (answer.status_code, key_request.state) == (422, "approved")
    assert message in text_of(answer)
    assert reason.strip() in answer.content.decode()
    withdrawing = answer.content.decode().partition("<summary>Withdraw an approval")[0].rpartition("<details")[2]
    assert " open" in withdrawing  # the button that was pressed stays in view
    assert actions(key_request.pk)[-1] == "request.approved"


def test_whoever_withdrew_can_approve_again(cast):
    key_request = cast.approved()
    assert withdraw(cast, "lead", key_request).status_code == 302
    assert cast.decide("lead", key_request, "approve").status_code == 302
    assert secret_in(cast.issue(key_request))


def test_whoever_withdrew_can_reject_it(cast):
    key_request = cast.approved()
    assert withdraw(cast, "lead", key_request).status_code == 302
    assert cast.decide("lead", key_request, "reject", "No.").status_code == 302
    key_request.refresh_from_db()
    assert key_request.state == "rejected"
    assert "Lead Person" in text_of(cast.client("engineer").get(f"/requests/{key_request.pk}/"))


def both(cast):
    key_request = cast.ask(permissions=MAKE_KEYS)
    for role in ("lead", "security"):
        assert cast.decide(role, key_request, "approve").status_code == 302
    return key_request


@pytest.mark.parametrize(
    ("withdrawn", "by", "again", "turn"),
    [
        ("lead", "security2", "colead", "Colead Person or Lead Person gives the second approval of 2."),
        ("security", "lead", "security2", "Security gives the second approval: Security Person or Security2 Person."),
    ],
)
def test_the_other_approval_keeps_counting(cast, withdrawn, by, again, turn):
    key_request = both(cast)
    chosen = key_request.approvals.get(approver__username=withdrawn)
    assert withdraw(cast, by, key_request, approval=str(chosen.pk)).status_code == 302
    assert [one.approver.username for one in key_request.approvals.standing()] != [withdrawn]
    assert turn in text_of(cast.client("engineer").get(f"/requests/{key_request.pk}/"))
    other = {"lead": "security2", "security": "colead"}[withdrawn]
    assert cast.decide(other, key_request, "approve", digest=key_request.content_digest).status_code == 409
    assert cast.decide(again, key_request, "approve").status_code == 302
    assert secret_in(cast.issue(key_request))


def test_it_is_said_which_of_two_is_meant(cast):
    key_request = both(cast)
    for wrong in ("", "x", "9" * 40, "²"):
        answer = withdraw(cast, "colead", key_request, approval=wrong)
        assert answer.status_code == 422
        assert "Choose which approval you withdraw." in text_of(answer)
        assert "I mistook the account." in answer.content.decode()
    assert withdraw(cast, "colead", key_request, approval="999999").status_code == 409
    assert key_request.state == "approved"
    assert withdraw(cast, "security", key_request).status_code == 302  # their own, without choosing
    assert [one.approver.username for one in key_request.approvals.standing()] == ["lead"]


def test_one_of_two_is_withdrawn_while_the_other_is_awaited(cast, settings):
    key_request = cast.ask(permissions=MAKE_KEYS)
    assert cast.decide("lead", key_request, "approve").status_code == 302
    KeyRequest.objects.update(created_at=timezone.now() - settings.PENDING_LAPSES_AFTER + timedelta(minutes=1))
    assert withdraw(cast, "lead", key_request).status_code == 302
    assert cast.decide("security", key_request, "approve", digest=key_request.content_digest).status_code == 409
    KeyRequest.objects.update(created_at=timezone.now() - settings.PENDING_LAPSES_AFTER - timedelta(days=1))
    assert lapse_overdue(Actor.system("test")) == 0
    assert cast.decide("colead", key_request, "approve").status_code == 302


def test_a_rules_approval_goes_to_people_and_the_rule_gives_it_no_more(cast, actions):
    ApprovalRule.objects.create(name="Usage", template="read-usage", environment="staging")
    key_request = cast.ask()
    assert withdraw(cast, "lead", key_request).status_code == 302
    assert key_request.state == "pending"
    assert matching(action="request.approval_withdrawn").get().details["of"] == "rule “Usage”"
    assert cast.issue(key_request).status_code == 409
    assert cast.decide("lead", key_request, "approve").status_code == 302
    assert secret_in(cast.issue(key_request))


@pytest.mark.parametrize("role", ["lead", "security"])
def test_break_glass_access_is_withdrawn_too(cast, role):
    cast.let_break_glass()
    key_request = cast.ask(incident="INC-1")
    assert "Withdraw break-glass access" in text_of(page(cast, role, key_request))
    assert withdraw(cast, role, key_request).status_code == 302
    assert key_request.state == "pending"
    assert cast.issue(key_request).status_code == 409
    assert key_request.needs_review
    assert cast.decide("colead", key_request, "approve").status_code == 302
    TeamMembership.objects.update(may_break_glass=False)
    assert secret_in(cast.issue(key_request))


@pytest.mark.parametrize("state", ["failed", "replaced"])
def test_it_is_withdrawn_before_a_key_is_made_again(cast, standin, state):
    key_request = cast.approved()
    if state == "failed":
        standin.fault("refuse", code=70002)
        cast.issue(key_request)
        standin.clear_faults()
    else:
        cast.issue(key_request)
        key = key_request.keys.get()
        assert cast.client("engineer").post(f"/keys/{key.sid}/replace/").status_code == 302
    assert withdraw(cast, "lead", key_request).status_code == 302
    assert key_request.state == "pending"
    assert cast.issue(key_request).status_code == 409
    assert cast.decide("lead", key_request, "approve").status_code == 302
    assert secret_in(cast.issue(key_request))


def test_not_while_twilio_is_asked(cast, standin, actions):
    key_request = cast.approved()
    standin.fault("drop_after")
    assert cast.issue(key_request).status_code == 504
    assert "Withdraw approval" not in text_of(page(cast, "lead", key_request))
    answer = withdraw(cast, "lead", key_request)
    assert (answer.status_code, key_request.state) == (409, "issuing")
    assert "the portal is asking Twilio, so nothing was withdrawn" in text_of(answer)
    assert "request.approval_withdrawn" not in actions()


def test_not_after_the_key_was_issued(cast):
    key_request, _ = cast.issued()
    answer = withdraw(cast, "lead", key_request)
    assert (answer.status_code, key_request.state) == (409, "issued")
    assert "Revoke the key on its page." in text_of(answer)


@pytest.mark.parametrize("end", ["reject", "cancel"])
def test_there_is_nothing_to_withdraw_of_what_ended(cast, end):
    key_request = cast.ask()
    answer = withdraw(cast, "lead", key_request)
    assert (answer.status_code, "never was one" in text_of(answer)) == (409, True)
    if end == "reject":
        cast.decide("lead", key_request, "reject", "No.")
    else:
        cast.client("engineer").post(f"/requests/{key_request.pk}/cancel/")
    answer = withdraw(cast, "lead", key_request)
    assert (answer.status_code, "There is no approval to withdraw." in text_of(answer)) == (409, True)


def test_it_is_withdrawn_once(cast, actions):
    key_request = cast.approved()
    pk = str(Approval.objects.get().pk)
    assert withdraw(cast, "lead", key_request, approval=pk).status_code == 302
    assert withdraw(cast, "colead", key_request, approval=pk).status_code == 409
    assert actions().count("request.approval_withdrawn") == 1


def test_requester_leads_and_deciders_are_told(cast, settings, told):
    settings.SENDS_MAIL = True
    for role in cast.people:
        User.objects.filter(username=role).update(email=f"{role}@example.test")
    key_request = both(cast)
    chosen = key_request.approvals.get(approver__username="security")
    Email.objects.all().delete()
    assert withdraw(cast, "lead", key_request, approval=str(chosen.pk)).status_code == 302
    found = Email.objects.filter(status=STATUS.queued, subject__contains="Lead Person (lead) withdrew an approval")
    roles = {address.removesuffix("@example.test") for one in found for address in one.to}
    assert roles == {"engineer", "lead", "colead", "security", "security2"}
    assert all("> I mistook the account." in one.message for one in found)


def test_an_approval_that_was_withdrawn_is_in_reports_and_files(cast):
    key_request = cast.approved()
    assert withdraw(cast, "colead", key_request).status_code == 302
    report = text_of(cast.client("security").get("/audit/reports/decisions/"))
    assert "No longer counts since" in report
    about = cast.client("security").get("/audit/reports/about.jsonl?person=lead").getvalue().decode()
    assert "I mistook the account." in about


def issue_button(cast, key_request):
    client = cast.client("engineer")
    return lambda: client.post(f"/requests/{key_request.pk}/issue/")


def test_it_has_one_outcome_of_a_withdrawal_and_an_issue(live_cast, standin, actions):
    key_request = live_cast.approved()
    withdrawn, issued = at_once(press(live_cast, "lead", key_request, "withdraw"), issue_button(live_cast, key_request))
    key_request.refresh_from_db()
    won = withdrawn.status_code == 302
    assert (withdrawn.status_code, issued.status_code) == ((302, 409) if won else (409, 200))
    assert key_request.state == ("pending" if won else "issued")
    assert bool(standin.keys()) is not won
    assert ("request.approval_withdrawn" in actions()) is won
    assert ("key.issued" in actions()) is not won


def test_it_is_withdrawn_once_of_two_at_once(live_cast, actions):
    key_request = live_cast.approved()
    answers = at_once(*(press(live_cast, role, key_request, "withdraw") for role in ("lead", "security")))
    assert sorted(answer.status_code for answer in answers) == [302, 409]
    assert actions().count("request.approval_withdrawn") == 1


def test_two_presses_at_once_send_it_back_once(live_cast, standin, actions):
    key_request = live_cast.approved()
    TeamMembership.objects.filter(user=live_cast.people["lead"]).delete()
    answers = at_once(*(issue_button(live_cast, key_request) for _ in range(2)))
    assert [answer.status_code for answer in answers] == [409, 409]
    assert actions().count("request.approval_void") == 1
    assert standin.keys() == []
