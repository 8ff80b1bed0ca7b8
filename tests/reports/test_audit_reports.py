"""Reports for Security, and a key's life."""

import json
import re
from datetime import timedelta

import pytest
from django.utils import timezone

from keys_app.audit import ledger
from keys_app.core import db
from keys_app.key_requests.decision_models import ApprovalRule
from keys_app.keys.models import ApiKey
from keys_app.organisation.models import Account
from keys_app.permissions.policy import Policy
from keys_app.reconcile.models import UnmanagedKey
from keys_app.reconcile.run import reconcile
from keys_app.reports.live_keys import live_keys
from keys_app.views.audit import reports
from tests.cast import MAKE_KEYS, READ_MESSAGES, secret_in, text_of

URLS = ["/audit/reports/", "/audit/reports/keys/", "/audit/reports/decisions/"]


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize(
    ("role", "status"), [("security", 200), ("engineer", 403), ("lead", 403), ("admin", 403), ("stranger", 403)]
)
def test_they_are_for_security_only(cast, url, role, status):
    assert cast.client(role).get(url).status_code == status


def test_live_keys_are_counted_by_team_account_owner_age_and_risk(cast):
    cast.issued()
    cast.issued(friendly_name="reader", permissions=READ_MESSAGES)
    old, _ = cast.issued(friendly_name="old")
    gone, _ = cast.issued(friendly_name="gone")
    ApiKey.objects.filter(request=old).update(issued_at=timezone.now() - timedelta(days=100))
    cast.client("engineer").post(f"/keys/{gone.keys.get().sid}/revoke/", {"reason": "done"})
    answer = cast.client("security").get("/audit/reports/")
    live = answer.context["live"]
    assert live.total.counts == {"critical": 0, "high": 1, "medium": 0, "low": 2}
    pictures = {name: {bar.label: bar.total for bar in bars} for name, bars in live.pictures}
    assert pictures["Team"] == {"Payments": 3}
    assert pictures["Account"] == {"Shop": 3}
    assert pictures["Owner"] == {"Engineer Person (engineer)": 3}
    assert pictures["Age"]["up to 30 days"] == 2
    assert pictures["Age"]["91 to 180 days"] == 1
    page = answer.content.decode()
    assert 'aria-label="1 high, 2 low"' in page
    assert "style=" not in page
    assert '<rect class="bar-high" x="0.0" width="33.33"' in page


@pytest.mark.parametrize(("at_once", "queries"), [(1, 5), (2, 3), (3, 2), (4, 2), (5, 1), (1000, 1)])
def test_live_keys_are_read_some_at_a_time(cast, monkeypatch, django_assert_num_queries, at_once, queries):
    sids = [cast.issued(friendly_name=f"key {number}")[0].keys.get().sid for number in range(4)]
    monkeypatch.setattr(db, "BATCH", at_once)
    with django_assert_num_queries(queries):
        assert list(db.in_batches(ApiKey.objects.all(), "sid", "state")) == [(sid, "active") for sid in sorted(sids)]
    with django_assert_num_queries(queries):
        assert live_keys().total.total == 4


def test_the_picture_says_so_when_no_key_is_live(cast):
    assert "No key is live" in text_of(cast.client("security").get("/audit/reports/"))


def test_keys_that_need_a_look(cast):
    soon, _ = cast.issued(friendly_name="soon", lifetime_days="5")
    late, _ = cast.issued(friendly_name="late", lifetime_days="60")
    cast.client("engineer").post(f"/keys/{soon.keys.get().sid}/confirm/")
    ApiKey.objects.filter(request=late).update(issued_at=timezone.now() - timedelta(hours=1))
    client = cast.client("security")

    def shown(name, days=""):
        return [key.name for key in client.get("/audit/reports/keys/", {"days": days}).context[name]]

    assert shown("expiring") == ["soon"]
    assert shown("expiring", "90") == ["soon", "late"]
    assert shown("expiring", "nonsense") == ["soon"]
    assert shown("unconfirmed") == ["late"]


def test_what_is_at_twilio_and_was_not_approved(cast, standin):
    drifted, _ = cast.issued(friendly_name="drifted", lifetime_days="60")
    cast.issued(friendly_name="sound", lifetime_days="60")
    with standin.client() as client:
        client.update_key(drifted.keys.get().sid, policy=Policy.of(MAKE_KEYS))
        policy = Policy.of(READ_MESSAGES)
        made = client.create_restricted_key(account_sid=cast.account.sid, friendly_name="by hand", policy=policy).sid
    reconcile()
    client = cast.client("security")
    answer = client.get("/audit/reports/keys/")
    assert [key.name for key in answer.context["drifted"]] == ["drifted"]
    assert [key.sid for key in answer.context["unmanaged"]] == [made]
    page = answer.content.decode()
    assert f'href="/keys/unmanaged/{made}/"' in page
    assert "Different at Twilio" in page
    assert answer.context["counts"] == {"expiring": 0, "unconfirmed": 0, "drifted": 1, "unmanaged": 1}
    assert "1 different at Twilio · 1 unmanaged" in text_of(answer)
    (key,), event = answer.context["drifted"], ledger.matching(action="key.drifted").get()
    assert key.drifted_at == event.time
    assert f"{event.time:%Y-%m-%d %H:%M}" in text_of(answer)
    assert f'href="/audit/keys/{key.sid}/"' in page
    assert "1 different at Twilio, 1 unmanaged" in text_of(client.get("/audit/reports/"))
    Account.objects.filter(pk=cast.account.pk).update(credential_user=made)
    assert list(client.get("/audit/reports/keys/").context["unmanaged"]) == []  # the portal's own


def test_it_says_how_many_there_are_beyond_those_it_shows(cast, monkeypatch):
    monkeypatch.setattr(reports, "SHOWN", 2)
    for sid in "abc":
        now = timezone.now()
        UnmanagedKey.objects.create(sid=f"SK{sid * 32}", account=cast.account, first_seen=now, last_seen=now)
    answer = cast.client("security").get("/audit/reports/keys/")
    assert (len(answer.context["unmanaged"]), answer.context["counts"]["unmanaged"]) == (2, 3)
    assert "The first 2 of 3 are shown" in text_of(answer)


def test_it_needs_no_more_queries_for_more_keys(cast, django_assert_max_num_queries):
    client = cast.client("security")
    for number in range(4):
        cast.issued(friendly_name=f"n{number}", lifetime_days="5")
    ApiKey.objects.update(drift_json='{"name": "x"}', issued_at=timezone.now() - timedelta(hours=2))
    for sid in "abc":
        UnmanagedKey.objects.create(
            sid=f"SK{sid * 32}", account=cast.account, first_seen=timezone.now(), last_seen=timezone.now()
        )
    with django_assert_max_num_queries(12):
        assert client.get("/audit/reports/keys/").status_code == 200


def test_who_approved_what(cast):
    key_request, _ = cast.issued()
    rejected = cast.ask(friendly_name="refused")
    cast.decide("colead", rejected, "reject", "Too much.")
    critical = cast.ask(friendly_name="keys", permissions=MAKE_KEYS)
    cast.decide("lead", critical, "approve")
    cast.decide("security2", critical, "approve", "Checked with them.")
    client = cast.client("security")
    page = text_of(client.get("/audit/reports/decisions/"))
    for shown in (
        "Lead Person (lead)",
        "Colead Person (colead)",
        "Too much.",
        "Security2 Person (security2)",
        "second",
        "refused",
    ):
        assert shown in page
    assert key_request.keys.get().sid[:10] in page
    decided = client.get("/audit/reports/decisions/?by=colead").context["listing"].rows
    assert [one.request.friendly_name for one in decided] == ["refused"]
    assert client.get("/audit/reports/decisions/?by=nobody").context["listing"].rows == []
    assert client.get("/audit/reports/decisions/?after=x").status_code == 404


def test_it_names_who_decided_whoever_it_was(cast):
    """A rule, a deputy in a lead's place, and the third of three."""
    ApprovalRule.objects.create(name="Usage in staging", template="read-usage", environment="staging")
    cast.ask(friendly_name="ruled")
    Account.objects.update(leads_required=2)
    cast.delegate("colead", "colleague")
    key_request = cast.ask(friendly_name="keys", permissions=MAKE_KEYS)
    for role in ("lead", "colleague", "security"):
        assert cast.decide(role, key_request, "approve").status_code == 302
    client = cast.client("security")
    answer = client.get("/audit/reports/decisions/")
    cells = re.findall(r'data-label="By"><span>\s*(.*?)\s*</span>', answer.content.decode(), re.S)
    assert [" ".join(cell.split()) for cell in cells] == [
        "Security Person (security) for Security",
        "Colleague Person (colleague) for Colead Person (colead)",
        "Lead Person (lead)",
        "The rule “Usage in staging”",
    ]
    ordinals = [one.ordinal for one in answer.context["listing"].rows]
    assert ordinals == ["third", "second", "", ""]
    assert "third" in text_of(answer)
    assert 'value="rule:Usage in staging">The rule' in answer.content.decode()
    found = client.get("/audit/reports/decisions/", {"by": "rule:Usage in staging"}).context["listing"].rows
    assert [one.request.friendly_name for one in found] == ["ruled"]
    page = text_of(client.get(f"/admin/keys_app/keyrequest/{key_request.pk}/change/"))
    assert "Colleague Person (colleague) approved for Colead Person (colead)" in page


@pytest.mark.parametrize("by", ["key", "person"])
def test_everything_about_a_key_or_person_names_the_rule_and_the_deputy(cast, by):
    ApprovalRule.objects.create(name="Usage in staging", template="read-usage", environment="staging")
    cast.delegate("lead", "colleague")
    ruled = cast.ask()
    assert secret_in(cast.issue(ruled))
    other = cast.ask(permissions=READ_MESSAGES)
    cast.decide("colleague", other, "approve")
    about = {"key": ruled.keys.get().sid} if by == "key" else {"person": "lead"}
    answer = cast.client("security").get("/audit/reports/about.jsonl", about)
    assert answer.status_code == 200
    records = json.loads(b"".join(answer.streaming_content).splitlines()[0])["header"]["records"]
    (decision,) = [one["decision"] for one in records if "decision" in one]
    by_rule = ("rule “Usage in staging”", "rule", None)
    expected = by_rule if by == "key" else ("colleague", "deputy", "lead")
    assert (decision["by"], decision["capacity"], decision["for"]) == expected


def test_what_a_key_could_do_at_each_moment(cast):
    key_request, _ = cast.issued(permissions=READ_MESSAGES)
    key = key_request.keys.get()
    client = cast.client("security")
    cast.client("engineer").post(f"/keys/{key.sid}/revoke/", {"reason": "done"})
    url = f"/audit/keys/{key.sid}/"
    page = text_of(client.get(url))
    assert "Can read the text of every message" in page
    assert "Nothing: it was gone" in page
    key.refresh_from_db()
    between = key.issued_at + (key.revoked_at - key.issued_at) / 2
    for at, words in (
        (between, "it had 2 permissions"),
        (key.revoked_at + timedelta(hours=1), "it was gone and could do nothing"),
        (key.issued_at - timedelta(days=1), "it did not exist yet"),
    ):
        assert words in text_of(client.get(url, {"at": at.isoformat()})), words
    for typed in ("yesterday", "2026-13-01", "0001-01-01T00:00+23:59", "9" * 300):
        answer = client.get(url, {"at": typed})
        assert answer.status_code == 422
        assert "Write a time like" in text_of(answer)
