"""A lead names somebody who decides in their place for a while."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from keys_app.audit.ledger import matching
from keys_app.key_requests.decision_models import Approval
from keys_app.organisation.models import Delegation, TeamMembership
from tests.cast import text_of

TODAY = timezone.now().date


def test_it_lets_a_deputy_decide_in_the_leads_place(cast):
    key_request = cast.ask()
    assert cast.decide("colleague", key_request, "approve").status_code == 403
    assert cast.delegate("lead", "colleague").status_code == 302
    assert "Colleague Person (colleague)" in text_of(cast.client("lead").get("/deputies/"))
    assert "usage-report" in text_of(cast.client("colleague").get("/"))
    assert cast.decide("colleague", key_request, "approve").status_code == 302
    approval = Approval.objects.get()
    assert (approval.capacity, approval.authority.username) == ("deputy", "lead")
    event = matching(action="request.approved").get()
    assert (event.actor_name, event.details["capacity"], event.details["for"]) == (
        "Colleague Person",
        "deputy",
        "lead",
    )


def test_it_refuses_a_deputy_their_leads_and_their_own_requests(cast):
    cast.delegate("lead", "colleague")
    leads, own = cast.ask("lead"), cast.ask("colleague")
    answer = cast.decide("colleague", leads, "approve", digest=leads.content_digest)
    assert answer.status_code == 409
    assert "You stand in for the person who sent this request" in text_of(answer)
    assert cast.decide("colleague", own, "approve", digest=own.content_digest).status_code == 409
    assert not Approval.objects.exists()
    assert cast.decide("colead", leads, "approve").status_code == 302
    assert cast.decide("lead", own, "approve").status_code == 302


@pytest.mark.parametrize(("first", "second"), [("lead", "colleague"), ("colleague", "lead")])
def test_it_counts_a_lead_and_their_deputy_once(cast, first, second):
    type(cast.account).objects.update(leads_required=2)
    cast.delegate("lead", "colleague")
    key_request = cast.ask()
    assert cast.decide(first, key_request, "approve").status_code == 302
    answer = cast.decide(second, key_request, "approve", digest=key_request.content_digest)
    assert answer.status_code == 409
    assert "has approved this request" in text_of(answer)
    assert cast.decide("colead", key_request, "approve").status_code == 302
    key_request.refresh_from_db()
    assert key_request.state == "approved"


def test_it_ends_with_the_period_and_when_the_lead_says_so(cast, actions):
    cast.delegate("lead", "colleague")
    key_request = cast.ask()
    given = Delegation.objects.get()
    assert cast.client("colead").post(f"/deputies/{given.pk}/end/").status_code == 404
    assert cast.client("lead").post(f"/deputies/{given.pk}/end/").status_code == 302
    assert cast.decide("colleague", key_request, "approve").status_code == 403
    again = cast.client("lead").post(f"/deputies/{given.pk}/end/")
    assert again.status_code == 409
    assert "This deputyship ended at" in text_of(again)
    assert actions().count("delegation.ended") == 1
    now = timezone.now()
    Delegation.objects.update(starts_at=now - timedelta(days=2), ends_at=now - timedelta(seconds=1))
    assert cast.decide("colleague", key_request, "approve").status_code == 403


def test_it_begins_with_the_first_day(cast):
    tomorrow = TODAY() + timedelta(days=1)
    assert cast.delegate("lead", "colleague", since=tomorrow, until=tomorrow).status_code == 302
    key_request = cast.ask()
    assert cast.decide("colleague", key_request, "approve").status_code == 403
    Delegation.objects.update(starts_at=timezone.now())
    assert cast.decide("colleague", key_request, "approve").status_code == 302


@pytest.mark.parametrize("ended", ["not a lead", "not in the group", "switched off", "left the team"])
def test_it_ends_with_the_leads_and_the_deputys_own_rights(cast, ended):
    cast.delegate("lead", "colleague")
    key_request = cast.ask()
    lead = cast.people["lead"]
    if ended == "not a lead":
        TeamMembership.objects.filter(user=lead).update(is_lead=False)
    elif ended == "not in the group":
        lead.groups.clear()
    elif ended == "switched off":
        User.objects.filter(pk=lead.pk).update(is_active=False)
    else:
        TeamMembership.objects.filter(user=cast.people["colleague"]).delete()
    assert cast.decide("colleague", key_request, "approve", digest=key_request.content_digest).status_code == 403
    assert not Approval.objects.exists()
    assert cast.decide("colead", key_request, "approve").status_code == 302


def test_a_deputy_names_no_deputy(cast):
    cast.delegate("lead", "colleague")
    assert cast.client("colleague").get("/deputies/").status_code == 404
    assert cast.delegate("colleague", "engineer").status_code == 404
    assert Delegation.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"deputy": ""}, "Choose a deputy"),
        ({"deputy": "no number"}, "Choose a user of your teams"),
        ({"deputy": "9" * 40}, "Choose a user of your teams"),
        ({"team": "9" * 40}, "Choose one of your teams"),
        ({"team": "x\0"}, "Choose one of your teams"),
        ({"since": "tomorrow"}, "Enter a date"),
        ({"until": ""}, "Choose the last day"),
        ({"until": "2001-01-01"}, "The last day is before the first, or is over"),
        ({"until": str(TODAY() + timedelta(days=91))}, "Maximum for a deputy: 90 days"),
        ({"until": "9999-12-31"}, "within the next two years"),
        ({"since": "9999-12-31", "until": "9999-12-31"}, "within the next two years"),
        ({"since": "0001-01-01", "until": "0001-01-01"}, "is over"),
    ],
)
def test_it_refuses_bad_input_at_its_field_and_keeps_it(cast, changes, message):
    answer = cast.delegate("lead", "colleague", **changes)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert message in text_of(answer)
    for name in ("since", "until"):
        assert f'value="{changes.get(name, TODAY())}"' in page
    if "deputy" not in changes:
        assert f'<option value="{cast.people["colleague"].pk}" selected>' in page
    assert not Delegation.objects.exists()


@pytest.mark.parametrize("deputy", ["lead", "engineer2", "security", "stranger"])
def test_it_takes_only_somebody_else_of_the_team(cast, deputy):
    assert cast.delegate("lead", deputy).status_code == 422
    assert not Delegation.objects.exists()


def test_it_does_not_take_somebody_who_is_switched_off(cast):
    User.objects.filter(username="colleague").update(is_active=False)
    assert cast.delegate("lead", "colleague").status_code == 422


@pytest.mark.parametrize("number", ["0", "9" * 18, "9" * 40])
def test_it_knows_no_delegation_of_that_number(cast, number):
    assert cast.client("lead").post(f"/deputies/{number}/end/").status_code == 404
