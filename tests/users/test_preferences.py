"""What users choose for themselves: the zone of their times, and which mails they get, and when."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone
from post_office.models import Email

from keys_app.audit.ledger import matching
from keys_app.key_requests.digests import send_digests
from keys_app.notifications.daily import send_daily
from keys_app.notifications.models import DailyLine
from keys_app.organisation import preferences
from keys_app.reports.access_reviews import open_review
from tests.cast import text_of

from .test_admin_acts import mails

PAGE = "/accounts/preferences/"
DEFAULT = {
    "time_zone": "UTC",
    "to_decide": "each",
    "own": "each",
    "keys": "each",
    "reviews": "each",
    "waiting": "daily",
}


def choose(cast, role, **changes):
    answer = cast.client(role).post(PAGE, {**DEFAULT, **changes})
    assert answer.status_code == 302, text_of(answer)


@pytest.mark.parametrize("url", ["/", "/accounts/preferences/", "/keys/"])
def test_single_keys_can_be_switched_off_in_this_browser_and_on_again(cast, url):
    client = cast.client("engineer")
    loaded = [b"portal/keyboard" in client.get(url).content]
    for choice in ("off", "x", "", "on"):
        answer = client.post(PAGE, {**DEFAULT, "shortcuts": choice})
        assert answer.status_code == (422 if choice == "x" else 302)
        loaded.append(b"portal/keyboard" in client.get(url).content)
    assert loaded == [True, False, False, False, True]
    assert b"portal/keyboard" not in Client().get("/accounts/login/").content


def tomorrow():
    return timezone.now() + timedelta(days=2)


def test_times_are_in_the_zone_a_user_chose(cast):
    key_request = cast.ask()
    type(key_request).objects.update(created_at=datetime(2026, 6, 30, 22, 30, tzinfo=UTC))
    url = f"/requests/{key_request.pk}/"
    assert "2026-06-30 22:30" in text_of(cast.client("engineer").get(url))
    choose(cast, "engineer", time_zone="Europe/Berlin")
    page = cast.client("engineer").get(url)
    assert "2026-07-01 00:30" in text_of(page)
    assert "Times are in Europe/Berlin" in text_of(page)
    assert 'datetime="2026-06-30T22:30:00+00:00"' in page.content.decode()
    assert "2026-06-30 22:30" in text_of(cast.client("lead").get(url))  # in the same thread


def test_the_audit_stays_in_utc(cast):
    choose(cast, "security", time_zone="Asia/Kolkata")
    page = cast.client("security").get("/audit/")
    assert "Times are in UTC" in text_of(page)
    assert "Times are in Asia/Kolkata" in text_of(cast.client("security").get("/"))


def test_a_zone_this_machine_does_not_know_is_utc(cast):
    preferences.Preferences.objects.create(user=cast.user("engineer"), time_zone="Mars/Olympus")
    assert "Times are in UTC" in text_of(cast.client("engineer").get("/"))
    assert cast.client("engineer").get(PAGE).status_code == 200


def test_what_is_chosen_is_kept_and_an_event_once(cast):
    for _ in range(2):
        choose(cast, "lead", to_decide="daily", time_zone="Asia/Tokyo")
    [event] = matching(action="user.preferences_changed")
    assert event.details["changed"] == {"to_decide": "daily", "time_zone": "Asia/Tokyo"}
    page = cast.client("lead").get(PAGE).content.decode()
    assert '<option value="daily" selected>' in page and '<option value="Asia/Tokyo" selected>' in page
    choose(cast, "lead")
    assert preferences.chosen_by(cast.user("lead")) == DEFAULT


@pytest.mark.parametrize(
    ("field", "value"), [("time_zone", "Mars/Olympus"), ("to_decide", "never"), ("own", ""), ("keys", "x")]
)
def test_what_cannot_be_chosen_is_refused_at_its_field(cast, field, value):
    answer = cast.client("lead").post(PAGE, {**DEFAULT, "own": "daily", field: value})
    assert answer.status_code == 422
    assert f'id="id_{field}_error"' in answer.content.decode()
    assert not matching(action="user.preferences_changed").exists()


def test_requests_to_decide_come_each_or_once_a_day(mailing):
    choose(mailing, "lead", to_decide="daily")
    mailing.ask()
    mailing.ask(friendly_name="another")
    assert "lead@example.test" not in mails() and "colead@example.test" in mails()
    send_daily(timezone.now().replace(hour=0))  # the hour has not come
    assert "lead@example.test" not in mails()
    send_daily(tomorrow())
    send_daily(tomorrow())
    [sent] = [one for one in Email.objects.all() if one.to == ["lead@example.test"]]
    assert sent.subject == "[Key portal] 2 notices"
    assert "asks for the key “usage-report”" in sent.message and "asks for the key “another”" in sent.message
    assert sent.message.count("http://127.0.0.1:8000/admin/keys_app/keyrequest/") == 2
    assert not DailyLine.objects.exists()


def test_answers_to_ones_own_requests_can_be_left_out(mailing):
    choose(mailing, "engineer", own="never")
    mailing.decide("lead", mailing.ask(), "reject", "Not now.")
    mailing.decide("lead", mailing.ask("colleague"), "reject", "Not now.")
    assert "engineer@example.test" not in mails() and "colleague@example.test" in mails()
    send_daily(tomorrow())
    assert "engineer@example.test" not in mails()


def test_the_daily_list_can_be_left_out(mailing):
    mailing.ask()
    Email.objects.all().delete()
    choose(mailing, "lead", waiting="never")
    send_digests(tomorrow().replace(hour=12))
    assert "lead@example.test" not in mails() and "colead@example.test" in mails()


def test_reviews_too(mailing):
    choose(mailing, "lead", reviews="never")
    mailing.client("security").post("/audit/access-reviews/", {"quarter": ""})
    assert open_review
    assert "lead@example.test" not in mails()


def test_alarms_are_always_mailed(mailing):
    for role in ("security", "lead"):
        choose(mailing, role, to_decide="daily", own="never", keys="never", reviews="never", waiting="never")
    mailing.let_break_glass()
    mailing.ask(break_glass="on", incident="INC-1", lifetime_days="1")
    assert {"security@example.test", "lead@example.test"} <= mails().keys()


def test_notices_that_wait_go_with_their_user(mailing):
    choose(mailing, "lead", to_decide="daily")
    mailing.ask()
    mailing.user("lead").__class__.objects.filter(username="lead").update(is_active=False)
    send_daily(tomorrow())
    assert "lead@example.test" not in mails()
    assert not DailyLine.objects.exists()
