"""Operators' rules that approve low risk without a person."""

import pytest

from keys_app.audit.ledger import matching
from keys_app.key_requests.decision_models import Approval, ApprovalRule
from keys_app.key_requests.models import KeyRequest
from keys_app.organisation.models import Account
from tests.cast import READ_MESSAGES, READ_USAGE, secret_in, text_of

RULES = "/admin/keys_app/approvalrule/"


@pytest.fixture
def by_rule(cast):
    """A rule that approves the task “read-usage” in staging, for up to 30 days."""
    return ApprovalRule.objects.create(name="Usage in staging", template="read-usage", environment="staging")


def test_it_approves_at_once_and_the_ledger_names_the_rule(cast, by_rule, actions):
    key_request = cast.ask()
    assert key_request.state == "approved"
    assert actions(key_request.pk) == ["request.created", "request.approved"]
    event = matching(action="request.approved").get()
    assert event.details["rule"] == {"name": "Usage in staging", "task": "read-usage", "environment": "staging"}
    assert "Usage in staging" in event.actor_name
    page = text_of(cast.client("lead").get(f"/admin/keys_app/keyrequest/{key_request.pk}/change/"))
    assert "The rule “Usage in staging” approved" in page
    assert secret_in(cast.issue(key_request))


@pytest.mark.parametrize(
    "asked",
    [
        {"permissions": READ_MESSAGES},
        {"permissions": [*READ_USAGE, "/twilio/messaging/services/read"]},
        {"lifetime_days": "31"},
    ],
)
def test_it_leaves_what_goes_beyond_it_to_people(cast, by_rule, actions, asked):
    key_request = cast.ask(**asked)
    assert key_request.state == "pending"
    assert actions(key_request.pk) == ["request.created"]
    assert cast.decide("lead", key_request, "approve").status_code == 302


def test_it_approves_low_risk_only_whatever_the_task_holds(cast, by_rule):
    ApprovalRule.objects.update(template="read-messages")
    assert cast.ask(permissions=READ_MESSAGES).state == "pending"


@pytest.mark.parametrize(
    "change", [{"is_active": False}, {"environment": "production"}, {"template": "gone"}, {"max_lifetime_days": 29}]
)
def test_it_does_not_apply_outside_its_conditions(cast, by_rule, change):
    ApprovalRule.objects.update(**change)
    assert cast.ask().state == "pending"
    assert not Approval.objects.exists()


def test_it_applies_in_its_team_only(cast, by_rule):
    by_rule.team = cast.other_team
    by_rule.save()
    assert cast.ask().state == "pending"
    by_rule.team = cast.team
    by_rule.save()
    assert cast.ask().state == "approved"


def test_it_does_not_apply_where_two_leads_are_required(cast, by_rule):
    Account.objects.update(leads_required=2)
    assert cast.ask().state == "pending"


def test_it_does_not_hide_that_glass_was_broken(cast, by_rule):
    cast.let_break_glass()
    key_request = cast.ask(incident="INC-1")
    assert key_request.needs_review
    assert not Approval.objects.exists()


def test_a_request_from_before_the_rule_waits_for_people(cast):
    key_request = cast.ask()
    ApprovalRule.objects.create(name="Later", template="read-usage", environment="staging")
    key_request.refresh_from_db()
    assert key_request.state == "pending"


def test_the_operator_makes_changes_and_ends_a_rule_in_the_admin(cast):
    form = {"name": "By hand", "template": "read-usage", "environment": "staging", "max_lifetime_days": "30"}
    client = cast.client("admin")
    assert client.post(f"{RULES}add/", {**form, "is_active": "on"}).status_code == 302
    assert cast.ask().state == "approved"
    rule = ApprovalRule.objects.get()
    assert client.post(f"{RULES}{rule.pk}/change/", form).status_code == 302
    assert cast.ask().state == "pending"
    assert client.post(f"{RULES}{rule.pk}/delete/", {"post": "yes"}).status_code == 302
    assert KeyRequest.objects.filter(state="approved").count() == 1
    text = str([(event.action, event.details) for event in matching(actor="Admin")])
    assert text.count("By hand") >= 2
    assert "'team': 'every team'" in text


@pytest.mark.parametrize(
    "change",
    [{"template": "no-such-task"}, {"max_lifetime_days": "0"}, {"max_lifetime_days": "366"}, {"name": ""},
     {"environment": "moon"}],
)  # fmt: skip
def test_it_refuses_a_rule_that_makes_no_sense(cast, change):
    form = {"name": "Odd", "template": "read-usage", "environment": "staging", "max_lifetime_days": "30"}
    answer = cast.client("admin").post(f"{RULES}add/", {**form, **change})
    assert answer.status_code == 200
    assert "errors" in answer.content.decode()
    assert not ApprovalRule.objects.exists()


@pytest.mark.parametrize("role", ["engineer", "lead", "security"])
def test_only_the_operator_sees_and_makes_rules(cast, by_rule, role):
    client = cast.client(role)
    form = {"name": "Mine", "template": "read-usage", "environment": "staging", "max_lifetime_days": "365"}
    for url in (RULES, f"{RULES}add/", f"{RULES}{by_rule.pk}/change/"):
        assert client.get(url, follow=True).status_code == 403
    assert client.post(f"{RULES}add/", {**form, "is_active": "on"}, follow=True).status_code == 403
    assert ApprovalRule.objects.count() == 1
