"""Requests sent before their risk was rated higher: rated again when decided, when issued, and by each run."""

import pytest

from keys_app.audit.ledger import matching
from keys_app.key_requests.decision_models import Approval, ApprovalRule
from keys_app.key_requests.models import KeyRequest
from keys_app.keys.models import risk_of_key
from keys_app.notifications.models import WebhookDelivery
from keys_app.permissions import risk
from keys_app.reconcile.run import reconcile
from tests.cast import MAKE_KEYS, READ_USAGE, secret_in, text_of

PAPERS = ["/twilio/phone-numbers/regulatory-compliance.supporting-documents/read"]
TASK = f"""
[[template]]
slug = "read-papers"
title = "Read papers"
description = "Look at what was filed."
group = "Our own"
name = "Papers"
permissions = {PAPERS}
"""
SAYS = "The risk is rated high today; low was approved."
AGAIN = "This request needs approval again"


@pytest.fixture
def before(monkeypatch):
    """Return a function that lets something be done as an older release rated it: by the action alone."""

    def do(step):
        with monkeypatch.context() as patch:
            patch.setattr(risk, "rates_of", lambda permission: ())
            try:
                return step()
            finally:
                risk_of_key.cache_clear()  # a page shown meanwhile may have rated the key by the action alone

    return do


@pytest.fixture
def by_rule(cast, before, settings, tmp_path):
    """A request that a rule approved while it was rated low."""
    settings.TEMPLATES_FILE = tmp_path / "tasks.toml"
    settings.TEMPLATES_FILE.write_text(TASK)
    ApprovalRule.objects.create(name="Papers", template="read-papers", environment="staging")
    key_request = before(lambda: cast.ask(permissions=PAPERS))
    assert (key_request.state, key_request.risk) == ("approved", "low")
    return key_request


def refreshed(key_request):
    key_request.refresh_from_db()
    return key_request.state, key_request.risk


def test_what_a_rule_approved_as_low_is_not_issued_as_high(cast, standin, by_rule, actions):
    before = standin.requests()["create"]
    answer = cast.issue(by_rule)
    assert (answer.status_code, secret_in(answer), standin.requests()["create"]) == (409, "", before)
    assert refreshed(by_rule) == ("pending", "high")
    own = text_of(cast.client("engineer").get(by_rule.get_absolute_url()))
    approvers = text_of(cast.client("lead").get(f"/admin/keys_app/keyrequest/{by_rule.pk}/change/"))
    for page in (text_of(answer), own, approvers):
        assert SAYS in page
    assert AGAIN in text_of(answer)
    assert actions(by_rule.pk)[-1] == "request.approval_void"
    assert SAYS in matching(action="request.approval_void").get().reason
    assert cast.decide("engineer", by_rule, "approve").status_code != 302
    assert cast.decide("lead", by_rule, "approve").status_code == 302
    assert secret_in(cast.issue(by_rule))


def test_what_is_still_low_is_issued_on_the_rules_approval(cast):
    ApprovalRule.objects.create(name="Usage", template="read-usage", environment="staging")
    assert secret_in(cast.issue(cast.ask(permissions=READ_USAGE)))
    assert not matching(action="request.rated")


def test_the_next_run_sends_it_back_without_anyone_pressing(cast, standin, by_rule, actions):
    untouched = cast.approved("colleague")
    reconcile()
    assert refreshed(by_rule) == ("pending", "high")
    assert refreshed(untouched) == ("approved", "low")
    assert actions(by_rule.pk)[-1] == "request.approval_void"
    assert "found that an approval no longer holds" in text_of(cast.client("engineer").get(by_rule.get_absolute_url()))
    reconcile()
    assert actions(by_rule.pk).count("request.approval_void") == 1
    assert not WebhookDelivery.objects.exists()


def test_what_a_lead_approved_keeps_their_approval_and_is_rated_high(cast, before, actions):
    """High asks for one lead, as low did; the event says what it was rated then."""
    key_request = before(lambda: cast.approved(permissions=PAPERS))
    assert secret_in(cast.issue(key_request))
    assert refreshed(key_request) == ("issued", "high")
    event = matching(action="request.rated").get()
    assert (event.reason, event.details["risk_before"]) == ("The risk is rated high today; it was low.", "low")
    assert actions(key_request.pk)[-3:] == ["request.rated", "key.issue_started", "key.issued"]
    assert "rated it anew" in text_of(cast.client("lead").get(f"/admin/keys_app/keyrequest/{key_request.pk}/change/"))


@pytest.mark.parametrize("way", ["decided", "a run"])
def test_a_pending_request_is_rated_again(cast, before, way):
    key_request = before(lambda: cast.ask(permissions=PAPERS))
    assert key_request.risk == "low"
    listed = text_of(cast.client("lead").get("/admin/keys_app/keyrequest/"))
    assert "High" in listed
    together = {"approve": str(key_request.pk), f"digest-{key_request.pk}": key_request.content_digest}
    cast.client("lead").post("/admin/keys_app/keyrequest/several/", together)
    assert not Approval.objects.exists()
    if way == "decided":
        assert cast.decide("lead", key_request, "approve").status_code == 302
    else:
        reconcile()
    assert refreshed(key_request) == ("approved" if way == "decided" else "pending", "high")
    assert matching(action="request.rated").get().reason == "The risk is rated high today; it was low."


def test_what_has_ended_keeps_the_risk_it_had(cast, before):
    key_request = before(lambda: cast.ask(permissions=PAPERS))
    cast.client("engineer").post(f"{key_request.get_absolute_url()}cancel/")
    reconcile()
    assert refreshed(key_request) == ("cancelled", "low")


def test_a_live_key_is_shown_with_todays_rating_and_stays(cast, before):
    key = before(lambda: cast.issued(permissions=PAPERS))[0].keys.get()
    reconcile()
    key.refresh_from_db()
    assert (key.state, key.risk) == ("active", "high")
    assert "High" in text_of(cast.client("security").get("/audit/reports/"))


def test_critical_stays_critical(cast):
    key_request = cast.ask(permissions=[*MAKE_KEYS, *PAPERS])
    reconcile()
    assert (KeyRequest.objects.get().risk, key_request.risk) == ("critical", "critical")
