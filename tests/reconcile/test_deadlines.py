"""What waits for Twilio too long is told, reminded of and told to be over; an account is as well as its last step."""

from datetime import timedelta

import pytest
from django.utils import timezone

from keys_app.audit.ledger import matching
from keys_app.catalogue.models import Probe
from keys_app.connections.models import Connection
from keys_app.key_requests.models import Issuance
from keys_app.keys.models import ApiKey
from keys_app.notifications.models import Trouble
from keys_app.reconcile.models import AccountCheck
from keys_app.reconcile.run import reconcile
from tests.cast import text_of

MINUTE = timedelta(minutes=1)
NOT_ALLOWED = {"status": 403, "code": 20003, "message": "Permission denied: /twilio/iam/api-keys/delete"}


@pytest.fixture
def alone(cast):
    """The account that somebody answers for, without the other one."""
    cast.other_account.delete()
    return cast


@pytest.fixture
def key(alone):
    return alone.issued()[0].keys.get()


def news(told):
    """Return what was told, but for whose turn it is when Twilio refuses the credential: that is in `test_refusals`."""
    return [one for one in told if "Twilio refuses" not in one["title"] and one["kind"] != "account.unreachable"]


def kinds(told):
    return [notice["kind"] for notice in news(told)]


def revoke(cast, key):
    return cast.client("engineer").post(f"/keys/{key.sid}/revoke/", {"reason": "It leaked."})


def wait(minutes=16, **more):
    """Let everything that waits have waited so long."""
    earlier = minutes * MINUTE
    for row in Trouble.objects.all():
        Trouble.objects.filter(pk=row.pk).update(since=row.since - earlier)
    for key in ApiKey.objects.filter(revoking_since__isnull=False):
        ApiKey.objects.filter(pk=key.pk).update(revoking_since=key.revoking_since - earlier)


def run():
    return reconcile(wait=lambda _: None)


def test_a_key_that_a_credential_may_not_delete_is_an_alarm_and_its_account_not_well(
    alone, standin, key, told, settings
):
    """The leaked key stayed “being revoked” for ever, with a healthy account and without an alarm."""
    settings.RECONCILE_FAILED_RUNS = 3
    standin.fault("refuse", operation="delete", times=100, **NOT_ALLOWED)
    assert revoke(alone, key).status_code == 503
    run()
    check = AccountCheck.objects.get()
    assert check.failed_runs == 1
    assert check.last_complete_at
    assert "/twilio/iam/api-keys/delete" in check.last_error
    assert kinds(told) == []
    wait()
    run()
    (alarm,) = news(told)
    assert alarm["kind"] == "alarm.stuck"
    assert key.sid in alarm["title"] + alarm["text"]
    assert alone.account.sid in alarm["text"]
    assert "Permission denied: /twilio/iam/api-keys/delete" in alarm["text"]
    page = text_of(alone.client("security").get("/reconciliation/"))
    assert f"Key {key.sid} is to be deleted and may still work" in page
    assert "Permission denied" in page
    run()
    assert kinds(told) == ["alarm.stuck", "alarm.account_unreachable"]
    assert "Permission denied" in news(told)[1]["text"]
    event = matching(action="trouble.began").exclude(key_sid="").get()
    assert (event.key_sid, event.account_sid) == (key.sid, alone.account.sid)


def test_it_is_reminded_of_daily_and_over_when_the_key_is_gone(alone, standin, key, told):
    standin.fault("refuse", operation="delete", times=4, **NOT_ALLOWED)
    revoke(alone, key)
    wait()
    run()
    run()
    assert kinds(told) == ["alarm.stuck"]
    Trouble.objects.update(told_at=timezone.now() - timedelta(days=1, minutes=1))
    run()
    assert kinds(told) == ["alarm.stuck", "alarm.stuck"]
    assert news(told)[1]["title"].startswith("Still: ")
    run()  # now it may
    key.refresh_from_db()
    assert key.state == "revoked"
    assert kinds(told)[2:] == ["alarm.ended"]
    assert matching(action="trouble.ended").exclude(key_sid="").get().key_sid == key.sid
    assert "Open troubles" not in text_of(alone.client("security").get("/reconciliation/"))
    run()
    assert len(news(told)) == 3


def test_what_is_settled_in_time_is_no_news(alone, standin, key, told):
    standin.fault("drop_before", operation="delete", times=2)
    revoke(alone, key)
    run()
    assert Trouble.objects.get().told_at is None
    assert "Open troubles" not in text_of(alone.client("security").get("/reconciliation/"))
    run()
    assert kinds(told) == []
    assert Trouble.objects.get().ended_at
    assert not matching(action="trouble").exists()


@pytest.mark.parametrize("end", ["expires_at", "retires_at"])
def test_a_key_past_its_end_that_nothing_ends_is_an_alarm(alone, key, told, monkeypatch, end):
    """Whatever keeps the portal from beginning."""
    from keys_app.reconcile import deadlines

    past = timezone.now() - 20 * MINUTE
    ApiKey.objects.update(issued_at=past - timedelta(days=1), **{end: past})
    from keys_app.core.actor import Actor

    deadlines.note_waiting({}, Actor.system("reconciler"))
    assert kinds(told) == ["alarm.stuck"]
    assert f"Key {key.sid} is past its end and still active" in news(told)[0]["title"]
    run()
    assert kinds(told)[-1] == "alarm.ended"


def test_an_attempt_that_no_listing_settles_is_an_alarm(alone, standin, told):
    standin.fault("drop_after")
    key_request = alone.approved()
    alone.issue(key_request)
    standin.fault("unauthorized", operation="list", times=100)
    run()
    assert kinds(told) == []
    Issuance.objects.update(started_at=timezone.now() - 35 * MINUTE)
    Trouble.objects.update(since=timezone.now() - 35 * MINUTE)
    run()
    (alarm,) = [notice for notice in told if notice["kind"] == "alarm.stuck"]
    assert key_request.issuances.get().marker in alarm["title"]
    assert alarm["path"] == f"/requests/{key_request.pk}/"
    assert "Authenticate" in alarm["text"]


def test_a_throwaway_key_that_stays_is_an_alarm(alone, standin, told):
    past = timezone.now() - 40 * MINUTE
    probe = Probe.objects.create(
        account=alone.account, marker="AAAAAAAAAAAA", started_at=past, in_flight_until=past + MINUTE
    )
    standin.fault("unauthorized", operation="list", times=100)
    run()
    assert kinds(told) == ["alarm.stuck"]
    assert probe.marker in news(told)[0]["title"]


def test_a_key_of_a_check_of_the_credential_that_stays_is_an_alarm(alone, standin, told):
    past = timezone.now() - 40 * MINUTE
    connection = Connection.objects.create(
        account_sid=alone.account.sid,
        credential_user=standin.api_key,
        marker="BBBBBBBBBBBB",
        started_at=past,
        asked_at=past,
        in_flight_until=past + MINUTE,
    )
    standin.fault("unauthorized", operation="list", times=100)
    run()
    (alarm,) = [notice for notice in told if notice["kind"] == "alarm.stuck"]
    assert connection.marker in alarm["title"]
    assert alone.account.sid in alarm["text"]


def test_an_account_whose_later_step_fails_is_not_well_until_a_whole_run_is(alone, standin, key, settings, told):
    settings.RECONCILE_FAILED_RUNS = 2
    settings.RECONCILE_LOOK_EVERY = timedelta(0)
    standin.fault("refuse", operation="fetch", times=2, status=403, code=20003, message="no read")
    run()
    run()
    assert kinds(told) == ["alarm.account_unreachable"]
    assert "2 runs failed" in text_of(alone.client("security").get("/reconciliation/"))
    run()
    assert AccountCheck.objects.get().failed_runs == 0
    assert matching(action="account.reachable").count() == 1


def test_many_at_once_are_one_alarm_and_one_reminder_that_name_each_key(alone, standin, told, monkeypatch):
    """A credential that lost the right to delete holds up every key that ends."""
    keys = [alone.issued(friendly_name=f"n-{number}")[0].keys.get() for number in range(6)]
    standin.fault("refuse", operation="delete", times=200, **NOT_ALLOWED)
    for key in keys:
        revoke(alone, key)
    run()
    wait()
    run()
    (alarm,) = [notice for notice in told if notice["kind"] == "alarm.stuck"]
    assert alarm["title"].startswith("6 troubles: ")
    assert all(key.sid in alarm["text"] for key in keys)
    assert "Permission denied" in alarm["text"]
    assert matching(action="trouble.began").exclude(key_sid="").count() == 6
    Trouble.objects.update(told_at=timezone.now() - timedelta(days=1, minutes=1))
    run()
    run()
    (_, reminder) = [notice for notice in told if notice["kind"] == "alarm.stuck"]
    assert reminder["title"].startswith("Still: 6 troubles")
    assert all(key.sid in reminder["text"] for key in keys)
