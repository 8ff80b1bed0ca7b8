"""While a break-glass key is not reviewed, the next such request of its owner is Security's to decide."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from keys_app.audit.ledger import matching
from keys_app.key_requests.decision_models import ApprovalRule
from keys_app.key_requests.models import KeyRequest
from keys_app.organisation.models import Account
from tests.cast import READ_MESSAGES, READ_USAGE, secret_in, text_of

from .test_approval_rules import approve, move, run
from .test_decision_races import at_once


@pytest.fixture
def glass(cast):
    """Somebody who may break glass, and has."""
    cast.let_break_glass()
    cast.let_break_glass("colleague")
    return broken(cast)


def broken(cast, role="engineer", incident="INC-1", **changes):
    return cast.ask(role, **{"incident": incident, "permissions": READ_MESSAGES, **changes})


def reload(key_request):
    key_request.refresh_from_db()
    return key_request


def test_it_grants_one_key_until_that_is_reviewed(cast, glass):
    """Six break-glass keys in a row could be had, and none was reviewed."""
    assert secret_in(cast.issue(glass))
    later = [broken(cast, incident=f"INC-{number}") for number in range(2, 7)]
    assert {(one.state, one.security_alone, one.lifetime_days) for one in later} == {("pending", True, 1)}
    for one in later:
        assert cast.issue(one).status_code == 409
    assert KeyRequest.objects.filter(state="issued").count() == 1
    assert len(matching(action="request.glass_broken")) == 1
    event = matching(action="request.created").order_by("-sequence").first()
    assert (event.details["incident"], event.details["security_alone"]) == ("INC-6", True)
    assert broken(cast, "colleague").state == "approved"


def test_security_alone_approves_it_immediately(cast, glass):
    Account.objects.update(leads_required=2)
    cast.issue(glass)
    second = broken(cast, incident="INC-2")
    assert "Security alone decides" in text_of(cast.client("engineer").get(f"/requests/{second.pk}/"))
    for role in ("lead", "colead"):
        answer = cast.decide(role, second, "approve")
        assert (answer.status_code, "Security alone decides this request" in text_of(answer)) == (409, True)
        assert second.friendly_name not in [
            item.friendly_name for item in cast.client(role).get("/").context["waiting"]
        ]
    page = text_of(cast.client("security").get(f"/admin/keys_app/keyrequest/{second.pk}/change/"))
    assert "An earlier break-glass key of the requester was not reviewed, so Security alone decides." in page
    assert cast.decide("security", second, "approve").status_code == 302
    assert reload(second).state == "approved"
    assert secret_in(cast.issue(second))
    assert not second.needs_review


def test_it_can_be_narrowed_rejected_and_withdrawn_as_any_other(cast, glass):
    cast.issue(glass)
    narrowed, rejected, withdrawn = (broken(cast, incident=f"INC-{number}") for number in (2, 3, 4))
    assert cast.narrow("security", narrowed, READ_MESSAGES[:1], days=1).status_code == 302
    assert reload(narrowed).state == "approved"
    assert cast.decide("security", rejected, "reject", "No.").status_code == 302
    cast.decide("security", withdrawn, "approve")
    assert cast.decide("security2", withdrawn, "withdraw", "Not now.").status_code == 302
    assert reload(withdrawn).state == "pending"
    assert cast.decide("lead", withdrawn, "approve").status_code == 409
    assert cast.decide("security2", withdrawn, "approve").status_code == 302


def test_the_form_says_so_before_it_is_sent(cast, glass):
    note = "Security alone can approve it, immediately"
    assert note in text_of(cast.client("engineer").get("/requests/new/"))
    assert note not in text_of(cast.client("colleague").get("/requests/new/"))
    cast.decide("lead", glass, "review", "Looked at it: fine.")
    assert note not in text_of(cast.client("engineer").get("/requests/new/"))


def test_after_the_review_glass_can_be_broken_again(cast, glass):
    cast.issue(glass)
    second = broken(cast, incident="INC-2")
    cast.decide("lead", glass, "review", "Looked at it: fine.")
    assert reload(second).state == "pending"
    third = broken(cast, incident="INC-3")
    assert (third.state, third.security_alone) == ("approved", False)


def test_a_key_that_was_given_up_is_still_one_to_review(cast, glass):
    cast.issue(glass)
    client = cast.client("engineer")
    assert client.post(f"/keys/{glass.keys.get().pk}/replace/").status_code == 302
    assert client.post(f"/requests/{glass.pk}/cancel/").status_code == 302
    assert broken(cast, incident="INC-2").security_alone


def test_a_request_that_led_to_no_key_is_in_nobodys_way(cast, glass):
    assert cast.client("engineer").post(f"/requests/{glass.pk}/cancel/").status_code == 302
    second = broken(cast, incident="INC-2")
    assert second.state == "approved"
    cast.decide("lead", second, "withdraw", "Not now.")
    assert broken(cast, incident="INC-3").state == "approved"


def test_ordinary_requests_stay_the_leads(cast, glass):
    ordinary = cast.ask(permissions=READ_USAGE)
    assert not ordinary.security_alone
    assert cast.decide("lead", ordinary, "approve").status_code == 302


def test_no_rule_takes_securitys_place(cast, glass):
    ApprovalRule.objects.create(name="usage", template="usage-report", environment="staging", max_lifetime_days=90)
    second = broken(cast, incident="INC-2", permissions=READ_USAGE, template="usage-report")
    assert second.state == "pending"


def test_a_risk_that_is_critical_by_now_needs_the_leads_as_well(cast, glass, monkeypatch):
    second = broken(cast, incident="INC-2")
    monkeypatch.setattr("keys_app.key_requests.models.policy_risk", lambda _: "critical")
    assert cast.decide("security", second, "approve").status_code == 409
    assert cast.decide("lead", second, "approve").status_code == 302
    assert reload(second).state == "pending"
    assert cast.decide("security", second, "approve").status_code == 302
    assert reload(second).state == "approved"


def test_of_two_at_once_one_is_securitys(live_cast):
    live_cast.let_break_glass()
    clients = [live_cast.client("engineer") for _ in range(2)]
    forms = [live_cast.form(incident=f"INC-{number}", permissions=READ_MESSAGES) for number in range(2)]
    at_once(
        *[lambda c=client, f=form: c.post("/requests/new/", f) for client, form in zip(clients, forms, strict=True)]
    )
    assert sorted(KeyRequest.objects.values_list("state", "security_alone")) == [("approved", False), ("pending", True)]


def refused(words, action, *arguments):
    with pytest.raises(DatabaseError, match=words), transaction.atomic():
        action(*arguments)


def test_the_database_grants_no_second_one_whatever_code_writes(cast, glass):
    ordinary = cast.ask(permissions=READ_MESSAGES, lifetime_days="1")
    for change in ("incident = 'INC-9'", "security_alone = true"):
        refused("what was asked for does not change", run, f"UPDATE keys_app_keyrequest SET {change}")
    forged = {**values_of(ordinary), "incident": "INC-9"}
    pending = KeyRequest.objects.create(**forged)
    refused("an earlier break-glass key is not reviewed", move, pending, "approved")
    granted = {**forged, "state": "approved", "approved_at": timezone.now()}
    refused("an earlier break-glass key is not reviewed", lambda: KeyRequest.objects.create(**granted))
    cast.decide("lead", glass, "review", "Looked at it: fine.")
    move(pending, "approved")


def values_of(key_request):
    """Return what another request like this one is made of."""
    fields = {field.attname: getattr(key_request, field.attname) for field in KeyRequest._meta.concrete_fields}
    return {name: value for name, value in fields.items() if name != "id"}


def test_the_database_wants_securitys_approval_and_no_other(cast, glass):
    second = broken(cast, incident="INC-2")
    approve(second, cast.user("lead"))
    refused("approvals this request needs are missing", move, second, "approved")
    approve(second, cast.user("security"), stage=2)
    move(second, "approved")


def test_what_was_granted_before_the_rule_can_still_be_issued(cast, glass):
    """A portal that is brought up to date may have two at once."""
    run("UPDATE keys_app_keyrequest SET claim_until = %s", timezone.now() + timedelta(hours=1))
    move(glass, "issuing")
    move(glass, "issued")
    move(glass, "approved")
