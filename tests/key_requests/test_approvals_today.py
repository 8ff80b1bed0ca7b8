"""Before a key is made every approval is looked at again; what no longer holds sends the request back to people."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.utils import timezone
from post_office.models import STATUS, Email

from keys_app.audit.ledger import matching
from keys_app.core.actor import Actor
from keys_app.key_requests.decision_models import Approval, ApprovalRule
from keys_app.key_requests.expire import lapse_overdue
from keys_app.key_requests.models import KeyRequest
from keys_app.organisation.models import Account, Delegation, TeamMembership
from keys_app.permissions import risk
from tests.cast import MAKE_KEYS, READ_MESSAGES, secret_in, text_of

AGAIN = "This request needs approval again"


@pytest.fixture
def mailbox(cast, settings):
    """Return what is mailed from now on with these words in its subject: the text for each role."""
    settings.SENDS_MAIL = True
    for role, user in cast.people.items():
        User.objects.filter(pk=user.pk).update(email=f"{role}@example.test")

    def read(subject):
        found = Email.objects.filter(status=STATUS.queued, subject__contains=subject)
        return {address.removesuffix("@example.test"): one.message for one in found for address in one.to}

    return read


def press(cast, standin, key_request, role="engineer"):
    """Press “Issue key”; return the answer and whether Twilio was asked."""
    before = standin.requests()["create"]
    answer = cast.issue(key_request, role)
    key_request.refresh_from_db()
    return answer, standin.requests()["create"] > before


def sent_back(cast, standin, key_request, *words, role="engineer"):
    """Expect that no key is made, and that the page and the request's own say why and whose turn it is."""
    answer, asked = press(cast, standin, key_request, role)
    assert (answer.status_code, asked, secret_in(answer)) == (409, False, "")
    assert key_request.state == "pending"
    own = text_of(cast.client(role).get(f"/requests/{key_request.pk}/"))
    for word in (AGAIN, *words):
        assert word in text_of(answer)
    for word in ("It needs approval again.", *words):
        assert word in own
    return text_of(answer)


def expel(cast, role="lead"):
    TeamMembership.objects.filter(user=cast.people[role]).delete()


def rated(monkeypatch, name):
    """Let a release rate everything as `name`."""
    monkeypatch.setattr(risk, "risk_of", lambda permission: risk.Risk(name))


LOST = {
    "deactivated": (
        lambda cast: User.objects.filter(username="lead").update(is_active=False),
        "Lead Person (lead), who approved it, was deactivated.",
    ),
    "expelled": (expel, "Lead Person (lead), who approved it, no longer leads team Payments."),
    "not a lead": (
        lambda cast: TeamMembership.objects.filter(user=cast.people["lead"]).update(is_lead=False),
        "no longer leads team Payments",
    ),
    "not in the group": (lambda cast: cast.people["lead"].groups.clear(), "no longer leads team Payments"),
}


@pytest.mark.parametrize("how", LOST)
def test_it_makes_no_key_when_its_approver_lost_the_right(cast, standin, actions, how):
    lose, words = LOST[how]
    key_request = cast.approved()
    lose(cast)
    sent_back(cast, standin, key_request, words, "Person decides this request.")
    assert actions(key_request.pk) == ["request.created", "request.approved", "request.approval_void"]
    event = matching(action="request.approval_void").get()
    assert event.reason in words or words in event.reason
    assert event.details["void"] == [{"by": "lead", "why": Approval.objects.get().void_reason}]
    assert cast.decide("colead", key_request, "approve").status_code == 302
    assert secret_in(press(cast, standin, key_request)[0])


def test_it_makes_the_key_while_its_approver_has_the_right(cast, standin):
    assert secret_in(press(cast, standin, cast.approved())[0])


def test_who_has_the_right_again_approves_again(cast, standin):
    key_request = cast.approved()
    LOST["not a lead"][0](cast)
    sent_back(cast, standin, key_request)
    TeamMembership.objects.filter(user=cast.people["lead"]).update(is_lead=True)
    assert cast.decide("lead", key_request, "approve").status_code == 302
    assert secret_in(press(cast, standin, key_request)[0])
    assert [bool(one.void_at) for one in key_request.approvals.all()] == [True, False]


def test_it_keeps_what_still_holds_and_asks_for_the_rest(cast, standin):
    """A critical request: the lead is gone, Security's approval stands, and another of Security is not asked."""
    key_request = cast.ask(permissions=MAKE_KEYS)
    for role in ("lead", "security"):
        assert cast.decide(role, key_request, "approve").status_code == 302
    expel(cast)
    TeamMembership.objects.create(team=cast.team, user=cast.people["lead2"], is_lead=True)
    sent_back(cast, standin, key_request, "Colead Person or Lead2 Person gives the second approval of 2.")
    shown = key_request.content_digest
    for role in ("security", "security2"):
        assert cast.decide(role, key_request, "approve", digest=shown).status_code == 409
    assert cast.decide("colead", key_request, "approve").status_code == 302
    assert secret_in(press(cast, standin, key_request)[0])
    standing = key_request.approvals.standing()
    assert sorted(standing.values_list("approver__username", "stage")) == [("colead", 1), ("security", 2)]


@pytest.mark.parametrize("who", ["lead", "security"])
def test_it_looks_at_both_approvals_of_a_critical_request(cast, standin, who):
    key_request = cast.ask(permissions=MAKE_KEYS)
    for role in ("lead", "security"):
        assert cast.decide(role, key_request, "approve").status_code == 302
    cast.people[who].groups.clear()
    words = {
        "lead": "no longer leads team",
        "security": "Security Person (security), who approved it, is no longer in Security.",
    }
    sent_back(cast, standin, key_request, words[who])
    assert cast.decide({"lead": "colead", "security": "security2"}[who], key_request, "approve").status_code == 302
    assert secret_in(press(cast, standin, key_request)[0])


def test_it_asks_for_another_lead_when_the_account_asks_for_two(cast, standin):
    key_request = cast.approved()
    Account.objects.update(leads_required=2)
    sent_back(
        cast, standin, key_request,
        "Account Shop asks for two leads today.", "Colead Person gives the second approval of 2",
    )  # fmt: skip
    assert not Approval.objects.filter(void_at__isnull=False).exists()
    assert cast.decide("lead", key_request, "approve", digest=key_request.content_digest).status_code == 409
    assert cast.decide("colead", key_request, "approve").status_code == 302
    assert secret_in(press(cast, standin, key_request)[0])


def test_it_stays_two_leads_turn_when_the_account_asks_for_one_again(cast, standin):
    key_request = cast.approved()
    Account.objects.update(leads_required=2)
    sent_back(cast, standin, key_request)
    Account.objects.update(leads_required=1)
    assert cast.decide("colead", key_request, "approve").status_code == 302
    assert secret_in(press(cast, standin, key_request)[0])


def test_it_asks_security_when_a_release_rates_it_critical(cast, standin, monkeypatch):
    key_request = cast.approved()
    rated(monkeypatch, "critical")
    answer = sent_back(
        cast, standin, key_request, "The risk is rated critical today; low was approved.",
        "Security gives the second approval: Security Person or Security2 Person.",
    )  # fmt: skip
    assert "Tell Security" not in answer
    assert key_request.risk == "critical"
    assert cast.decide("colead", key_request, "approve", digest=key_request.content_digest).status_code == 409
    assert cast.decide("security", key_request, "approve").status_code == 302
    assert secret_in(press(cast, standin, key_request)[0])


def test_a_higher_rating_that_needs_no_more_approvals_stops_nothing(cast, standin, monkeypatch):
    key_request = cast.approved()
    rated(monkeypatch, "high")
    assert secret_in(press(cast, standin, key_request)[0])
    assert key_request.risk == "high"


def test_a_pending_request_is_decided_by_todays_rating(cast, standin, monkeypatch):
    key_request = cast.ask()
    rated(monkeypatch, "critical")
    page = text_of(cast.client("lead").get(f"/admin/keys_app/keyrequest/{key_request.pk}/change/"))
    assert "Critical risk" in page
    assert "then Security" in page
    together = f"digest-{key_request.pk}"
    cast.client("lead").post(
        "/admin/keys_app/keyrequest/several/", {"approve": str(key_request.pk), together: key_request.content_digest}
    )
    assert not Approval.objects.exists()
    assert cast.decide("lead", key_request, "approve").status_code == 302
    key_request.refresh_from_db()
    assert (key_request.state, key_request.risk) == ("pending", "critical")
    assert cast.decide("security", key_request, "approve").status_code == 302
    assert secret_in(press(cast, standin, key_request)[0])


def test_guardrails_set_since_give_it_back_to_be_narrowed(cast, standin):
    key_request = cast.approved(permissions=READ_MESSAGES)
    Account.objects.update(forbidden_permissions=READ_MESSAGES[1:])
    sent_back(cast, standin, key_request, READ_MESSAGES[1], "Colead Person or Lead Person decides this request.")
    assert cast.decide("lead", key_request, "approve").status_code == 409
    assert cast.narrow("lead", key_request, READ_MESSAGES[:1]).status_code == 302
    assert secret_in(press(cast, standin, key_request)[0])


def as_deputy(cast):
    """Return a request that lead's deputy approved."""
    assert cast.delegate("lead", "colleague").status_code == 302
    return cast.approved(by="colleague")


def test_a_deputyship_that_ran_out_as_planned_counts(cast, standin):
    key_request = as_deputy(cast)
    Delegation.objects.update(ends_at=timezone.now())
    assert secret_in(press(cast, standin, key_request)[0])


ENDED = {
    "early": (
        lambda cast: cast.client("lead").post(f"/deputies/{Delegation.objects.get().pk}/end/"),
        "Colleague Person (colleague) approved it as deputy of Lead Person (lead), who ended that early.",
    ),
    "with the lead's right": (
        expel,
        "Lead Person (lead), for whom Colleague Person (colleague) approved it, no longer leads team",
    ),
    "with the lead": (
        lambda cast: User.objects.filter(username="lead").update(is_active=False),
        "Lead Person (lead), for whom Colleague Person (colleague) approved it, no longer leads team",
    ),
    "with the team": (lambda cast: expel(cast, "colleague"), "is no longer in team Payments"),
    "with the deputy": (
        lambda cast: User.objects.filter(username="colleague").update(is_active=False),
        "Colleague Person (colleague), who approved it, was deactivated.",
    ),
}


@pytest.mark.parametrize("how", ENDED)
def test_a_deputyship_that_ended_otherwise_does_not(cast, standin, how):
    end, words = ENDED[how]
    key_request = as_deputy(cast)
    end(cast)
    sent_back(cast, standin, key_request, words)
    assert cast.decide("colead", key_request, "approve").status_code == 302
    assert secret_in(press(cast, standin, key_request)[0])


def test_the_lead_approves_after_ending_what_their_deputy_approved(cast, standin):
    key_request = as_deputy(cast)
    ENDED["early"][0](cast)
    sent_back(cast, standin, key_request)
    assert cast.decide("lead", key_request, "approve").status_code == 302
    assert secret_in(press(cast, standin, key_request)[0])


@pytest.fixture
def by_rule(cast):
    """A request that a rule approved."""
    ApprovalRule.objects.create(name="Usage", template="read-usage", environment="staging")
    key_request = cast.ask()
    assert key_request.state == "approved"
    return key_request


def test_a_rules_approval_counts_while_the_rule_is_on(cast, standin, by_rule):
    assert secret_in(press(cast, standin, by_rule)[0])


OFF, MISFIT = "The rule “Usage” is off, or no longer exists.", "The rule “Usage” no longer covers this request."
RULES = {
    "off": (lambda cast, _: ApprovalRule.objects.update(is_active=False), OFF),
    "gone": (lambda cast, _: ApprovalRule.objects.all().delete(), OFF),
    "task": (lambda cast, _: ApprovalRule.objects.update(template="send-sms"), MISFIT),
    "team": (lambda cast, _: ApprovalRule.objects.update(team=cast.other_team), MISFIT),
    "environment": (lambda cast, _: Account.objects.update(environment="production"), MISFIT),
    "lifetime": (lambda cast, _: ApprovalRule.objects.update(max_lifetime_days=29), MISFIT),
    "leads": (lambda cast, _: Account.objects.update(leads_required=2), MISFIT),
    "risk": (lambda cast, monkeypatch: rated(monkeypatch, "medium"), MISFIT),
}


@pytest.mark.parametrize("change", RULES)
def test_a_rules_approval_goes_to_people_when_the_rule_does_not_fit(cast, standin, monkeypatch, by_rule, change):
    lose, words = RULES[change]
    lose(cast, monkeypatch)
    sent_back(
        cast,
        standin,
        by_rule,
        words,
        "gives the first approval of 2." if change == "leads" else "decides this request.",
    )
    for role in ("lead", "colead")[: by_rule.leads_required]:
        assert cast.decide(role, by_rule, "approve").status_code == 302
    assert secret_in(press(cast, standin, by_rule)[0])


def test_break_glass_access_that_was_taken_back_leaves_it_to_people(cast, standin, actions):
    cast.let_break_glass()
    key_request = cast.ask(incident="INC-1")
    TeamMembership.objects.update(may_break_glass=False)
    sent_back(
        cast, standin, key_request, "Engineer Person (engineer) may no longer use break-glass access for team Payments."
    )
    cast.let_break_glass()
    assert press(cast, standin, key_request)[1] is False
    assert cast.decide("lead", key_request, "review", "Looked at.").status_code == 302
    assert cast.decide("lead", key_request, "approve").status_code == 302
    assert secret_in(press(cast, standin, key_request)[0])
    assert actions(key_request.pk)[-1] == "key.issued"


def test_a_lost_approval_of_a_request_that_once_broke_glass_is_seen_too(cast, standin):
    cast.let_break_glass()
    key_request = cast.ask(incident="INC-1")
    TeamMembership.objects.update(may_break_glass=False)
    sent_back(cast, standin, key_request)
    cast.let_break_glass()
    assert cast.decide("lead", key_request, "approve").status_code == 302
    expel(cast)
    sent_back(cast, standin, key_request, "no longer leads team")


def test_break_glass_access_never_covers_what_is_rated_critical_today(cast, standin, monkeypatch):
    cast.let_break_glass()
    key_request = cast.ask(incident="INC-1")
    rated(monkeypatch, "critical")
    sent_back(cast, standin, key_request, "rated critical today")
    for role in ("lead", "security"):
        assert cast.decide(role, key_request, "approve").status_code == 302
    assert secret_in(press(cast, standin, key_request)[0])


def test_the_issue_after_replace_is_looked_at_like_any_other(cast, standin):
    key_request, _ = cast.issued()
    lost = key_request.keys.get()
    assert cast.client("engineer").post(f"/keys/{lost.sid}/replace/").status_code == 302
    expel(cast)
    sent_back(cast, standin, key_request, "no longer leads team")
    assert cast.decide("colead", key_request, "approve").status_code == 302
    assert secret_in(press(cast, standin, key_request)[0])
    assert key_request.keys.latest("issued_at").expires_at == lost.expires_at


def test_a_failed_attempt_is_looked_at_like_any_other(cast, standin):
    key_request = cast.approved()
    standin.fault("refuse", code=70002)
    assert cast.issue(key_request).status_code == 502
    standin.clear_faults()
    expel(cast)
    sent_back(cast, standin, key_request, "no longer leads team")


def test_a_second_press_finds_it_pending(cast, standin, actions):
    key_request = cast.approved()
    expel(cast)
    sent_back(cast, standin, key_request)
    answer, _ = press(cast, standin, key_request)
    assert (answer.status_code, "is pending" in text_of(answer)) == (409, True)
    assert actions(key_request.pk).count("request.approval_void") == 1


def test_requester_and_deciders_are_told(cast, standin, mailbox):
    key_request = cast.approved()
    expel(cast)
    sent_back(cast, standin, key_request)
    told = mailbox("needs approval again")
    assert set(told) == {"engineer", "colead"}
    assert "Lead Person (lead), who approved it, no longer leads team Payments." in told["engineer"]


def test_its_time_to_lapse_begins_anew(cast, standin, settings):
    key_request = cast.approved()
    long_ago = timezone.now() - settings.PENDING_LAPSES_AFTER - timedelta(days=1)
    KeyRequest.objects.update(created_at=long_ago)
    expel(cast)
    sent_back(cast, standin, key_request)
    assert lapse_overdue(Actor.system("test")) == 0
    assert cast.decide("colead", key_request, "approve").status_code == 302
    KeyRequest.objects.update(state="pending", reopened_at=long_ago)
    assert lapse_overdue(Actor.system("test")) == 1


def rotate(cast, key):
    return cast.client("engineer").post(f"/keys/{key.sid}/rotate/", {"overlap_hours": "24"})


@pytest.mark.parametrize("change", ["approver left", "rated higher", "two leads"])
def test_a_rotation_goes_on_and_leads_and_security_see_what_changed(cast, monkeypatch, mailbox, change):
    key = cast.issued()[0].keys.get()
    page = f"/keys/{key.sid}/"
    assert "Its approval today" not in text_of(cast.client("colead").get(page))
    if change == "approver left":
        expel(cast)
    elif change == "rated higher":
        rated(monkeypatch, "critical")
    else:
        Account.objects.update(leads_required=2)
    words = {
        "approver left": "Lead Person (lead), who approved it, no longer leads team Payments.",
        "rated higher": "The risk is rated critical today; low was approved.",
        "two leads": "Account Shop asks for two leads today.",
    }[change]
    for role in ("colead", "security"):
        assert words in text_of(cast.client(role).get(page))
    assert words not in text_of(cast.client("engineer").get(page))
    assert secret_in(rotate(cast, key))
    assert matching(action="key.rotate_started").get().details["doubts"] == [words]
    told = mailbox("Engineer Person (engineer) rotates")
    assert {"colead", "security", "security2"} <= set(told)
    assert "engineer" not in told
    assert words in told["security"]


def test_a_rotation_with_nothing_to_tell_tells_nobody(cast, mailbox):
    key = cast.issued()[0].keys.get()
    assert secret_in(rotate(cast, key))
    assert mailbox("look at its approval") == {}
    assert "doubts" not in matching(action="key.rotate_started").get().details


def test_security_stands_in_where_the_last_lead_is_gone(cast, standin):
    User.objects.filter(username="colead").update(is_active=False)
    key_request = cast.approved()
    expel(cast)
    sent_back(cast, standin, key_request, "Security Person or Security2 Person decides this request.")
    assert cast.decide("security", key_request, "approve").status_code == 302
    assert secret_in(press(cast, standin, key_request)[0])


def test_security_standing_in_for_a_lead_counts_while_in_security(cast, standin):
    User.objects.filter(username__in=["lead", "colead"]).update(is_active=False)
    key_request = cast.ask()
    assert cast.decide("security", key_request, "approve").status_code == 302
    User.objects.filter(username="colead").update(is_active=True)
    cast.people["security"].groups.remove(Group.objects.get(name="Security"))
    sent_back(cast, standin, key_request, "is no longer in Security")
