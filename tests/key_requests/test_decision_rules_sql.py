"""Raw SQL against the rules of deciding: what the database refuses whatever code writes."""

import json

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from keys_app.key_requests.decision_models import Approval, Narrowing
from keys_app.key_requests.models import KeyRequest
from keys_app.permissions.policy import Policy
from tests.cast import MAKE_KEYS, READ_MESSAGES, READ_USAGE

from .test_approval_rules import approve, id_of, move, run

OWN = "nobody decides their own request"
WIDER = "a narrowing takes away and adds nothing"
FIXED = "what was asked for does not change"
MISSING = "approvals this request needs are missing"
RISKY = "this risk is not approved without people"
DECIDED = "a decision does not change"
INSERT = """INSERT INTO keys_app_approval
    (request_id, approver_id, authority_id, capacity, rule_name, decision, stage, content_digest, reason, created_at)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"""
NARROW = """INSERT INTO keys_app_narrowing
    (request_id, approver_id, from_policy_json, to_policy_json, from_lifetime_days, to_lifetime_days,
     from_digest, to_digest, reason, created_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"""
UPDATE = """UPDATE keys_app_keyrequest
    SET policy_json = %s, lifetime_days = %s, content_digest = %s, risk = %s WHERE id = %s"""
LESS = Policy.of(READ_MESSAGES[:1]).to_json()
NEXT = "1" * 64


def narrow(key_request, person, **changes):
    """Insert a narrowing of the request to `LESS` and 7 days, with `changes`."""
    values = {
        "request_id": id_of(key_request),
        "approver_id": person.pk,
        "from_policy_json": key_request.policy_json,
        "to_policy_json": LESS,
        "from_lifetime_days": key_request.lifetime_days,
        "to_lifetime_days": 7,
        "from_digest": key_request.content_digest,
        "to_digest": NEXT,
        "reason": "because",
        "created_at": timezone.now(),
    }
    run(NARROW, *{**values, **changes}.values())


def decide(key_request, approver, authority, stage=1, capacity="lead", rule="", decision="approved"):
    ids = [person.pk if person else None for person in (approver, authority)]
    digest = key_request.content_digest
    run(INSERT, id_of(key_request), *ids, capacity, rule, decision, stage, digest, "because", timezone.now())


def refused(words, action, *arguments, **options):
    """Expect the database to refuse, and nothing to be left of the attempt."""
    before = (Approval.objects.count(), Narrowing.objects.count(), list(KeyRequest.objects.order_by("pk").values()))
    with pytest.raises(DatabaseError, match=words or None), transaction.atomic():
        action(*arguments, **options)
    assert before == (
        Approval.objects.count(),
        Narrowing.objects.count(),
        list(KeyRequest.objects.order_by("pk").values()),
    )


def test_a_narrowing_takes_away_and_the_request_follows_it(cast):
    key_request = cast.ask(permissions=READ_MESSAGES)
    narrow(key_request, cast.user("lead"))
    run(UPDATE, LESS, 7, NEXT, "high", id_of(key_request))
    key_request.refresh_from_db()
    assert (list(key_request.policy), key_request.lifetime_days) == (READ_MESSAGES[:1], 7)


@pytest.mark.parametrize(
    "change",
    [
        {"to_policy_json": Policy.of([*READ_MESSAGES, *READ_USAGE]).to_json()},
        {"to_policy_json": Policy.of(READ_USAGE).to_json()},
        {"to_policy_json": json.dumps({"allow": ["/twilio/messaging/messages/*"]})},
        {"from_policy_json": LESS},
        {"from_lifetime_days": 60},
        {"from_digest": "2" * 64},
    ],
)
def test_a_narrowing_adds_nothing_and_is_of_what_is_stored_now(cast, change):
    key_request = cast.ask(permissions=READ_MESSAGES)
    refused(WIDER, narrow, key_request, cast.user("lead"), **change)


@pytest.mark.parametrize("change", [{"to_lifetime_days": 31}, {"to_lifetime_days": 0}, {"reason": ""}])
def test_a_narrowing_does_not_lengthen_and_has_a_reason(cast, change):
    refused("", narrow, cast.ask(permissions=READ_MESSAGES), cast.user("lead"), **change)


def test_a_narrowing_changes_something(cast):
    key_request = cast.ask(permissions=READ_MESSAGES)
    refused("", narrow, key_request, cast.user("lead"), to_digest=key_request.content_digest)


def test_nobody_narrows_their_own(cast):
    key_request = cast.ask("lead", permissions=READ_MESSAGES)
    refused(OWN, narrow, key_request, cast.user("lead"))
    narrow(key_request, cast.user("colead"))
    assert Narrowing.objects.count() == 1


def test_only_a_pending_request_is_narrowed_and_once_from_the_same(cast):
    refused(WIDER, narrow, cast.approved(permissions=READ_MESSAGES), cast.user("colead"))
    pending = cast.ask(permissions=READ_MESSAGES)
    narrow(pending, cast.user("lead"))
    refused("", narrow, pending, cast.user("colead"), to_digest="3" * 64)


def test_a_narrowing_does_not_change(cast):
    narrow(cast.ask(permissions=READ_MESSAGES), cast.user("lead"))
    refused(DECIDED, run, "UPDATE keys_app_narrowing SET to_policy_json = from_policy_json")


@pytest.mark.parametrize(
    "values",
    [
        (Policy.of([*READ_MESSAGES, *READ_USAGE]).to_json(), 7, NEXT, "high"),
        (LESS, 30, NEXT, "high"),
        (LESS, 7, "4" * 64, "high"),
    ],
)
def test_a_request_changes_only_as_its_narrowing_says(cast, values):
    key_request = cast.ask(permissions=READ_MESSAGES)
    refused(FIXED, run, UPDATE, LESS, 7, NEXT, "high", id_of(key_request))
    narrow(key_request, cast.user("lead"))
    refused(FIXED, run, UPDATE, *values, id_of(key_request))


@pytest.mark.parametrize("change", ["risk = 'low'", "leads_required = 1", "incident = 'INC-1'"])
def test_what_decides_who_decides_is_not_lowered(cast, change):
    type(cast.account).objects.update(leads_required=2)
    cast.ask(permissions=MAKE_KEYS)
    refused(FIXED, run, f"UPDATE keys_app_keyrequest SET {change}")


def test_more_leads_may_be_required_later(cast):
    key_request = cast.ask()
    run("UPDATE keys_app_keyrequest SET leads_required = 2")
    approve(key_request, cast.user("lead"))
    refused(MISSING, move, key_request, "approved")
    approve(key_request, cast.user("colead"), stage=2)
    move(key_request, "approved")
    assert key_request.state == "approved"


@pytest.mark.parametrize("permissions", [READ_MESSAGES, MAKE_KEYS])
def test_a_rule_approves_low_risk_only(cast, permissions):
    key_request = cast.ask(permissions=permissions)
    refused(RISKY, decide, key_request, None, None, capacity="rule", rule="reports")
    low = cast.ask()
    decide(low, None, None, capacity="rule", rule="reports")
    assert Approval.objects.get().rule_name == "reports"


@pytest.mark.parametrize(
    ("approver", "capacity", "rule", "decision"),
    [
        (None, "lead", "", "approved"),
        (None, "lead", "reports", "approved"),
        (None, "rule", "reports", "rejected"),
        ("lead", "rule", "reports", "approved"),
    ],
)
def test_a_decision_is_a_persons_or_a_rules(cast, approver, capacity, rule, decision):
    person = cast.user(approver) if approver else None
    refused("", decide, cast.ask(), person, person, capacity=capacity, rule=rule, decision=decision)


@pytest.mark.parametrize("decision", ["approved", "rejected", "reviewed"])
def test_nobody_decides_in_the_requesters_right(cast, decision):
    key_request = cast.ask("lead")
    refused(OWN, decide, key_request, cast.user("colleague"), cast.user("lead"), capacity="deputy", decision=decision)


def test_a_lead_and_their_deputy_are_one_voice(cast):
    key_request = cast.ask()
    decide(key_request, cast.user("colleague"), cast.user("lead"), capacity="deputy")
    refused("", decide, key_request, cast.user("lead"), cast.user("lead"), stage=2)
    decide(key_request, cast.user("colead"), cast.user("colead"), stage=2)
    assert Approval.objects.count() == 2


def test_a_critical_request_needs_security_among_its_approvals(cast):
    key_request = cast.ask(permissions=MAKE_KEYS)
    decide(key_request, cast.user("lead"), cast.user("lead"))
    decide(key_request, cast.user("colead"), cast.user("colead"), stage=2)
    refused(MISSING, move, key_request, "approved")
    decide(key_request, cast.user("security"), cast.user("security"), stage=3, capacity="security")
    move(key_request, "approved")
    assert key_request.state == "approved"


def test_a_broken_glass_is_never_critical_and_lives_a_day(cast):
    cast.let_break_glass()
    key_request = cast.ask(incident="INC-1")
    critical = KeyRequest.objects.get(pk=key_request.pk)
    critical.pk, critical.risk, critical.state = KeyRequest._meta.pk.get_default(), "critical", "pending"
    refused(RISKY, critical.save, force_insert=True)
    longer = KeyRequest.objects.get(pk=key_request.pk)
    longer.pk, longer.lifetime_days = KeyRequest._meta.pk.get_default(), 2
    refused("", longer.save, force_insert=True)
    refused("", run, "UPDATE keys_app_keyrequest SET risk = 'critical'")


def test_a_broken_glass_is_reviewed_once_and_not_by_who_broke_it(cast):
    cast.let_break_glass()
    key_request = cast.ask(incident="INC-1")
    refused(OWN, decide, key_request, cast.user("engineer"), cast.user("engineer"), decision="reviewed")
    decide(key_request, cast.user("lead"), cast.user("lead"), decision="reviewed")
    security = cast.user("security")
    refused("", decide, key_request, security, security, stage=2, capacity="security", decision="reviewed")


VOID = "UPDATE keys_app_approval SET void_at = %s, void_by_id = %s, void_reason = %s"


def void(by=None, reason="It was withdrawn.", also=""):
    run(VOID + also, timezone.now(), by and by.pk, reason)


def test_an_approval_becomes_void_once_while_its_request_is_pending(cast):
    key_request = cast.approved()
    refused(DECIDED, void)
    move(key_request, "pending")
    void(cast.user("security"))
    assert Approval.objects.get().void_reason == "It was withdrawn."
    refused(DECIDED, void, cast.user("lead"))
    refused(DECIDED, run, "UPDATE keys_app_approval SET void_at = NULL, void_by_id = NULL, void_reason = ''")


@pytest.mark.parametrize("also", [", capacity = 'security'", ", authority_id = NULL", ", stage = 2", ", reason = 'x'"])
def test_nothing_else_changes_when_an_approval_becomes_void(cast, also):
    move(cast.approved(), "pending")
    refused(DECIDED, void, cast.user("security"), also=also)


def test_the_requester_makes_no_approval_void_and_nobody_does_without_a_reason(cast):
    move(cast.approved(), "pending")
    refused(DECIDED, void, cast.user("engineer"))
    refused("", void, cast.user("lead"), reason="")


def test_a_rejection_does_not_become_void(cast):
    key_request = cast.ask()
    decide(key_request, cast.user("lead"), cast.user("lead"), decision="rejected")
    refused("", void, cast.user("security"))


def test_a_void_approval_does_not_count_and_is_not_in_the_way(cast):
    key_request = cast.approved()
    move(key_request, "pending")
    void(cast.user("lead"))
    for state in ("approved", "issuing", "issued", "failed"):
        refused(MISSING, move, key_request, state)
    decide(key_request, cast.user("lead"), cast.user("lead"))
    refused("", decide, key_request, cast.user("lead"), cast.user("lead"), stage=2)
    move(key_request, "approved")
    assert key_request.state == "approved"


def test_no_approval_is_born_void(cast):
    key_request = cast.ask()
    lead = cast.user("lead")
    born = Approval(request=key_request, approver=lead, authority=lead, decision="approved", stage=1,
                    content_digest=key_request.content_digest, created_at=timezone.now(), void_at=timezone.now(),
                    void_reason="So it was made.")  # fmt: skip
    refused(DECIDED, born.save, force_insert=True)


def test_a_broken_glass_that_went_back_to_people_needs_their_approval(cast):
    cast.let_break_glass()
    key_request = cast.ask(incident="INC-1")
    run("UPDATE keys_app_keyrequest SET state = 'pending', reopened_at = created_at, reopened_reason = 'Stopped.'")
    refused(MISSING, move, key_request, "approved")
    refused(FIXED, run, "UPDATE keys_app_keyrequest SET reopened_at = NULL, reopened_reason = ''")
    decide(key_request, cast.user("lead"), cast.user("lead"))
    move(key_request, "approved")
    assert key_request.state == "approved"


def test_a_risk_is_raised_and_never_lowered(cast):
    key_request = cast.ask()
    run("UPDATE keys_app_keyrequest SET risk = 'high'")
    for risk in ("medium", "low"):
        refused(FIXED, run, f"UPDATE keys_app_keyrequest SET risk = '{risk}'")
    decide(key_request, cast.user("lead"), cast.user("lead"))
    move(key_request, "approved")
    refused(MISSING, run, "UPDATE keys_app_keyrequest SET risk = 'critical'")
