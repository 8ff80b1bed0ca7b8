"""One thing that fails stops nothing else: a job of a run, a step of an account, a key, a mail to one user."""

import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from post_office.models import Email

from keys_app.audit.ledger import matching
from keys_app.key_requests import digests as key_requests_digests
from keys_app.key_requests.models import Issuance
from keys_app.keys.models import ApiKey
from keys_app.notifications.models import NoticeKey
from keys_app.permissions.policy import Policy
from keys_app.reconcile import account_run, drift, orphans, run, send_notices, unmanaged
from keys_app.reconcile.models import ReconcileRun, UnmanagedKey
from keys_app.reconcile.run import reconcile
from tests.cast import MAKE_KEYS, text_of

ALARM = "alarm.reconciler_failed"


@pytest.fixture
def alone(cast):
    """The account that somebody answers for, without the other one."""
    cast.other_account.delete()
    return cast


def broken(*_, **__):
    raise ZeroDivisionError("a message that nobody sees")


def due(key):
    past = timezone.now() - timedelta(days=1)
    ApiKey.objects.filter(pk=key.pk).update(issued_at=past - timedelta(days=1), expires_at=past)


def break_policy(key):
    """Store what is no policy, as somebody who owns the database could."""
    ApiKey.objects.filter(pk=key.pk).update(policy_json='{"allow": "everything"}')


JOBS = ["enter_kept", "note_leavers", "revoke_expired", "revoke_ended", "remind_of_expiry", "lapse_overdue", "sum_up"]
STEPS = ["carry_out_revocations", "settle_attempts", "settle_probes", "compare_keys", "take_inventory"]


@pytest.mark.parametrize("job", [*JOBS, *STEPS])
def test_it_does_everything_else_and_tells_security_once(alone, standin, monkeypatch, told, actions, job):
    """A key is due, an answer is lost, a stranger is there: each is found unless its own part is the broken one."""
    key = alone.issued()[0].keys.get()
    overdue = alone.approved(friendly_name="unused")
    standin.fault("drop_after")
    alone.issue(alone.approved(friendly_name="lost"))
    with standin.client() as client:
        made = client.create_restricted_key(
            account_sid=standin.account_sid, friendly_name="by hand", policy=Policy.of(MAKE_KEYS)
        )
    due(key)
    type(overdue).objects.filter(pk=overdue.pk).update(claim_until=timezone.now() - timedelta(days=1))
    monkeypatch.setattr(run, job, broken)

    found = reconcile()

    assert (found.revoked == 1) is (job not in ("revoke_expired", "carry_out_revocations"))
    assert (found.orphans_deleted == 1) is (job != "settle_attempts")
    assert UnmanagedKey.objects.filter(pk=made.sid).exists() is (job != "take_inventory")
    assert (found.lapsed == 1) is (job != "lapse_overdue")
    assert found.failures == 1
    assert "ZeroDivisionError" in ReconcileRun.objects.get().error

    reconcile()
    assert [notice["kind"] for notice in told].count(ALARM) == 1
    assert actions().count("reconciler.failed") == 1
    assert "a message that nobody sees" not in matching(action="reconciler.failed").get().canonical
    client = alone.client("security")
    for url in ("/", "/reconciliation/"):
        page = text_of(client.get(url))
        assert "could not do everything" in page
        assert "ZeroDivisionError" in page
    with pytest.raises(CommandError):
        call_command("reconcile", stdout=io.StringIO())

    monkeypatch.undo()
    reconcile()
    assert "could not do everything" not in text_of(client.get("/reconciliation/"))
    assert "Failed: " in text_of(client.get("/reconciliation/"))


def test_it_tells_of_another_failure_and_of_one_that_comes_back_after_a_day(alone, monkeypatch, told):
    monkeypatch.setattr(run, "note_leavers", broken)
    reconcile()
    monkeypatch.setattr(run, "sum_up", broken)
    reconcile()
    assert [notice["kind"] for notice in told] == [ALARM, ALARM]
    ReconcileRun.objects.update(finished_at=timezone.now() - timedelta(days=2))
    NoticeKey.objects.all().delete()
    reconcile()
    assert [notice["kind"] for notice in told] == [ALARM, ALARM, ALARM]


def test_it_says_so_even_if_the_alarm_cannot_be_queued(alone, monkeypatch):
    monkeypatch.setattr(run, "note_leavers", broken)
    monkeypatch.setattr(run.notify, "notify", broken)
    reconcile()
    assert "the keys of users who left" in text_of(alone.client("security").get("/reconciliation/"))


def test_an_unreadable_policy_of_one_key_stops_nothing(alone, standin, told, settings):
    keys = [alone.issued(friendly_name=f"n-{number}")[0].keys.get() for number in range(3)]
    settings.RECONCILE_LOOK_EVERY = timedelta(0)
    break_policy(keys[1])
    with standin.client() as client:
        client.update_key(keys[0].sid, policy=Policy.of(MAKE_KEYS))
        client.update_key(keys[2].sid, policy=Policy.of(MAKE_KEYS))
        made = client.create_restricted_key(
            account_sid=standin.account_sid, friendly_name="by hand", policy=Policy.of(MAKE_KEYS)
        )
    assert reconcile().drifted == 2
    assert UnmanagedKey.objects.filter(pk=made.sid).exists()
    assert keys[1].sid in ReconcileRun.objects.get().error
    assert [notice["kind"] for notice in told].count(ALARM) == 1


def test_reports_show_a_key_with_an_unreadable_policy_as_critical(alone):
    break_policy(alone.issued()[0].keys.get())
    security = alone.client("security")
    assert "1 critical" in text_of(security.get("/audit/reports/")).lower()
    assert security.get("/audit/reports/keys/").status_code == 200


@pytest.mark.parametrize("why", ["expired", "left"])
def test_a_key_with_an_unreadable_policy_still_ends(alone, standin, actions, why):
    key = alone.issued()[0].keys.get()
    break_policy(key)
    if why == "expired":
        due(key)
    else:
        alone.people["engineer"].is_active = False
        alone.people["engineer"].save()
        reconcile()
        assert "key.owner_left" in actions()
        ApiKey.objects.update(handover_by=timezone.now() - timedelta(days=1))
    assert reconcile().revoked == 1
    assert standin.key(key.sid) is None
    assert matching(action="key.revoked").get().policy == ""


@pytest.mark.parametrize(
    ("module", "function", "subject"),
    [(drift, "_compare", 1), (orphans, "_delete_orphan", 1), (unmanaged, "_fetch_policy", 0)],
)
def test_one_of_several_that_fails_stops_no_other(alone, standin, monkeypatch, settings, module, function, subject):
    """The first of three fails, whatever comes first."""
    settings.RECONCILE_LOOK_EVERY = timedelta(0)
    for number in range(3):
        alone.issued(friendly_name=f"live-{number}")
        lost = alone.approved(friendly_name=f"lost-{number}")
        standin.fault("drop_after")
        alone.issue(lost)
        with standin.client() as client:
            name = f"by hand {number}"
            client.create_restricted_key(
                account_sid=standin.account_sid, friendly_name=name, policy=Policy.of(MAKE_KEYS)
            )
    ApiKey.objects.update(checked_at=None)
    real, calls = getattr(module, function), []

    def first_fails(*args):
        calls.append(args[subject])
        return broken() if len(calls) == 1 else real(*args)

    monkeypatch.setattr(module, function, first_fails)
    found = reconcile()
    assert len(calls) == 3
    assert found.failures == 1
    assert ApiKey.objects.filter(checked_at__isnull=False).count() == (2 if function == "_compare" else 3)
    assert Issuance.objects.filter(state="orphan_deleted").count() == (2 if function == "_delete_orphan" else 3)
    looked = UnmanagedKey.objects.filter(checked_at__isnull=False).count()
    assert looked == (2 if function == "_fetch_policy" else 3)


def test_a_key_that_twilio_refuses_to_show_stops_no_other(alone, standin, settings):
    settings.RECONCILE_LOOK_EVERY = timedelta(0)
    for number in range(3):
        alone.issued(friendly_name=f"n-{number}")
    ApiKey.objects.update(checked_at=None)
    standin.fault("refuse", operation="fetch", status=400, code=20001)
    found = reconcile()
    assert ApiKey.objects.filter(checked_at__isnull=False).count() == 2
    assert (found.accounts_failed, found.failures) == (1, 0)


def test_it_enters_the_other_new_keys_when_one_cannot_be(alone, standin, monkeypatch):
    with standin.client() as client:
        for number in range(3):
            name = f"by hand {number}"
            client.create_restricted_key(
                account_sid=standin.account_sid, friendly_name=name, policy=Policy.of(MAKE_KEYS)
            )
    values = unmanaged._values
    monkeypatch.setattr(
        unmanaged, "_values", lambda visit, key: broken() if "hand 1" in key.friendly_name else values(visit, key)
    )
    assert reconcile().unmanaged_new == 2


def test_an_account_whose_listing_fails_in_the_portal_still_has_its_keys_deleted(alone, standin, monkeypatch):
    key = alone.issued()[0].keys.get()
    due(key)
    monkeypatch.setattr(account_run.Visit, "list_keys", broken)
    found = reconcile()
    assert (found.revoked, found.accounts_failed) == (1, 1)
    assert standin.key(key.sid) is None


def test_a_failing_account_has_its_turn_after_the_others(cast, standin):
    """Support's account, whose SID is the smaller one, has nobody who answers."""
    order = []
    reconcile(progress=order.append)
    reconcile(progress=order.append)
    accounts = [line.split(" (")[0] for line in order]
    assert accounts[0] == "Helpdesk"
    assert accounts[-1] == "Helpdesk"


# Sending


def test_what_is_said_to_one_user_stops_nothing_that_is_said_to_another(cast, settings, monkeypatch):
    settings.SENDS_MAIL = True
    settings.DIGEST_HOUR = 0
    for role in ("lead", "colead"):
        type(cast.people[role]).objects.filter(username=role).update(email=f"{role}@example.test")
    key_request = cast.ask()
    yesterday = timezone.now() - timedelta(days=1)
    type(key_request).objects.update(created_at=yesterday)
    digest, calls = key_requests_digests._digest, []

    def first_fails(*args):
        calls.append(args)
        return broken() if len(calls) == 1 else digest(*args)

    monkeypatch.setattr(key_requests_digests, "_digest", first_fails)
    _, failed = send_notices.send_notices()
    assert failed == 1
    digests = Email.objects.filter(subject__contains="for your decision").values_list("to", flat=True)
    assert list(digests) in ([["lead@example.test"]], [["colead@example.test"]])


def test_one_request_that_cannot_be_announced_stops_no_other(cast, settings, monkeypatch):
    first, second = cast.ask(friendly_name="first"), cast.ask(friendly_name="second")
    type(first).objects.update(created_at=timezone.now() - settings.PENDING_LAPSES_AFTER + timedelta(hours=2))
    line = key_requests_digests._line
    monkeypatch.setattr(key_requests_digests, "_line", lambda item: broken() if item.pk == first.pk else line(item))
    _, failed = send_notices.send_notices()
    assert failed == 1
    assert NoticeKey.objects.filter(key__startswith=f"request.lapses_soon:{second.pk}:").exists()
