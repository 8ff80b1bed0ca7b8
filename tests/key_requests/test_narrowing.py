"""Approving less than was asked for."""

import pytest

from keys_app.key_requests.decision_models import Approval, Narrowing
from keys_app.key_requests.models import KeyRequest
from tests.cast import MAKE_KEYS, READ_MESSAGES, READ_USAGE, secret_in, text_of

ONE = READ_MESSAGES[:1]


def test_it_narrows_and_the_requester_accepts_by_issuing(cast, standin, actions):
    key_request = cast.ask(permissions=READ_MESSAGES)
    assert cast.narrow("lead", key_request, ONE, days=7, reason="Listing is enough.").status_code == 302
    key_request.refresh_from_db()
    assert (key_request.state, list(key_request.policy), key_request.lifetime_days) == ("approved", ONE, 7)
    page = text_of(cast.client("engineer").get(f"/requests/{key_request.pk}/"))
    assert "An approver narrowed your request" in page
    assert "Lead Person (lead) shortened the lifetime from 30 to 7 days and took away" in page
    assert "Listing is enough." in page
    answer = cast.issue(key_request)
    assert secret_in(answer)
    key = key_request.keys.get()
    assert standin.key(key.sid)["policy"] == ONE
    assert (key.expires_at - key.issued_at).days == 7
    decided = ["request.created", "request.narrowed", "request.approved"]
    assert actions(key_request.pk) == [*decided, "key.issue_started", "key.issued"]


@pytest.mark.parametrize(("keep", "days"), [(ONE, 30), (READ_MESSAGES, 1)])
def test_it_takes_away_permissions_or_shortens(cast, keep, days):
    key_request = cast.ask(permissions=READ_MESSAGES)
    assert cast.narrow("lead", key_request, keep, days).status_code == 302
    step = Narrowing.objects.get()
    assert (len(step.difference.removed), step.shortens) == (2 - len(keep), days == 1)


@pytest.mark.parametrize(
    ("keep", "days", "reason", "message"),
    [
        ([*ONE, *READ_USAGE], "7", "Less.", "This was not asked for: /twilio/billing/usage/read"),
        ([*READ_MESSAGES, *MAKE_KEYS], "30", "Less.", "This was not asked for: /twilio/iam/api-keys/create"),
        (["/twilio/messaging/messages/*"], "7", "Less.", "This was not asked for"),
        (["<b>\0"], "7", "Less.", "This was not asked for: &lt;b&gt;"),
        ([], "7", "Less.", "Leave at least one permission"),
        (READ_MESSAGES, "30", "Less.", "Take a permission away or shorten the lifetime"),
        (ONE, "31", "Less.", "Choose 1 to 30 days"),
        (ONE, "0", "Less.", "Choose 1 to 30 days"),
        (ONE, "-3", "Less.", "Enter a whole number of days"),
        (ONE, "1.5", "Less.", "Enter a whole number of days"),
        (ONE, "99999999999", "Less.", "Enter a whole number of days"),
        (ONE, "", "Less.", "Enter a whole number of days"),
        (ONE, "7", "  ", "Give a reason"),
        (ONE, "7", "x" * 2001, "The reason has 2001 characters"),
    ],
)
def test_it_refuses_anything_else_and_keeps_what_was_typed(cast, actions, keep, days, reason, message):
    key_request = cast.ask(permissions=READ_MESSAGES)
    answer = cast.narrow("lead", key_request, keep, days, reason=reason)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert message in page
    for name in READ_MESSAGES:
        assert (f'value="{name}" checked' in page) is (name in keep)
    assert f'value="{days or 30}"' in page
    assert reason.strip() in page
    assert '<details class="decide-more" open>' in page
    assert actions(key_request.pk) == ["request.created"]
    assert not Approval.objects.exists()
    assert KeyRequest.objects.get().content_digest == key_request.content_digest


@pytest.mark.parametrize("digest", ["", "0" * 64, "é"])
def test_it_refuses_to_narrow_what_the_page_did_not_show(cast, digest):
    key_request = cast.ask(permissions=READ_MESSAGES)
    answer = cast.narrow("lead", key_request, ONE, reason="Kept.", digest=digest)
    assert answer.status_code == 409
    assert "not what this page showed" in text_of(answer)
    assert "Kept." in answer.content.decode()
    assert not Narrowing.objects.exists()


def test_it_tells_the_next_approver_what_was_narrowed_after_they_opened_the_page(cast, actions):
    type(cast.account).objects.update(leads_required=2)
    key_request = cast.ask(permissions=READ_MESSAGES)
    shown = key_request.content_digest
    assert cast.narrow("lead", key_request, ONE, days=7).status_code == 302
    answer = cast.decide("colead", key_request, "approve", digest=shown)
    assert answer.status_code == 409
    assert f"Lead Person (lead) took away {READ_MESSAGES[1]} and shortened the lifetime from 30 to 7 days" in text_of(
        answer
    )
    assert cast.decide("colead", key_request, "approve").status_code == 302
    key_request.refresh_from_db()
    assert (key_request.state, list(key_request.policy)) == ("approved", ONE)


def test_it_counts_an_approval_of_more_for_less(cast):
    type(cast.account).objects.update(leads_required=2)
    key_request = cast.ask(permissions=READ_MESSAGES)
    assert cast.decide("lead", key_request, "approve").status_code == 302
    assert cast.narrow("colead", key_request, ONE).status_code == 302
    key_request.refresh_from_db()
    assert (key_request.state, list(key_request.policy)) == ("approved", ONE)
    assert secret_in(cast.issue(key_request))


def test_it_needs_no_security_once_what_was_critical_is_taken_away(cast):
    key_request = cast.ask(permissions=[*MAKE_KEYS, *READ_USAGE])
    assert cast.narrow("lead", key_request, READ_USAGE).status_code == 302
    key_request.refresh_from_db()
    assert (key_request.state, key_request.risk) == ("approved", "low")


def test_it_still_needs_security_where_what_is_critical_stays(cast):
    key_request = cast.ask(permissions=[*MAKE_KEYS, *READ_USAGE])
    assert cast.narrow("lead", key_request, MAKE_KEYS).status_code == 302
    key_request.refresh_from_db()
    assert (key_request.state, key_request.risk) == ("pending", "critical")
    assert cast.narrow("security", key_request, MAKE_KEYS, days=1).status_code == 302
    key_request.refresh_from_db()
    assert (key_request.state, key_request.lifetime_days) == ("approved", 1)
    assert key_request.narrowings.count() == 2


def test_it_can_be_narrowed_into_the_guard_rails_that_came_later(cast):
    key_request = cast.ask(permissions=[*READ_MESSAGES, *READ_USAGE])
    type(cast.team).objects.filter(pk=cast.team.pk).update(max_risk="low")
    assert cast.decide("lead", key_request, "approve").status_code == 409
    assert cast.narrow("lead", key_request, READ_USAGE).status_code == 302
    key_request.refresh_from_db()
    assert key_request.state == "approved"
