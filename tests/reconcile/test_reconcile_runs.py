"""A run of the reconciler as a whole: bounded, patient, one account at a time, and seen by Security."""

import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from keys_app.audit.ledger import matching
from keys_app.keys.models import ApiKey
from keys_app.management.commands.reconcile import Command
from keys_app.organisation.models import Account
from keys_app.reconcile import run as reconcile_run
from keys_app.reconcile.models import AccountCheck, ReconcileRun
from keys_app.reconcile.run import reconcile
from keys_app.twilio_iam.client import TwilioIamClient
from tests.cast import text_of


@pytest.fixture
def key(cast):
    key_request, _ = cast.issued()
    return key_request.keys.get()


@pytest.fixture
def alone(cast):
    """The account that somebody answers for, without the other one."""
    cast.other_account.delete()
    return cast


def due(number=1):
    """Let the lifetime of this many keys be over."""
    past = timezone.now() - timedelta(days=1)
    for key in ApiKey.objects.filter(state="active")[:number]:
        ApiKey.objects.filter(pk=key.pk).update(issued_at=past - timedelta(days=1), expires_at=past)


def test_one_accounts_outage_does_not_stop_the_others(cast, standin, key):
    """Support's account comes after Payments' in one order and before it in the other."""
    for sid in ("AC" + "0" * 31 + "1", "AC" + "f" * 32):
        Account.objects.filter(name="Helpdesk").delete()
        broken = Account(sid=sid, name="Helpdesk", environment="staging", credential_user="SK" + "0" * 32)
        broken.credential_ciphertext, broken.connected_at = "nonsense", timezone.now()
        broken.save()
        standin.fault("drop_after")
        lost = cast.approved(friendly_name=f"lost-{sid[2]}")
        cast.issue(lost)
        found = reconcile()
        assert (found.accounts_failed, found.orphans_deleted) == (1, 1)
        assert "cannot read its credential" in AccountCheck.objects.get(account=sid).last_error


def test_a_failure_of_the_portal_itself_on_one_account_does_not_stop_the_others(cast, standin, key, monkeypatch):
    due()

    def broken(self, *, account_sid):
        raise ZeroDivisionError

    monkeypatch.setattr(TwilioIamClient, "list_keys", broken)
    assert reconcile().accounts_failed == 2
    assert "see its log" in AccountCheck.objects.get(account=cast.account).last_error


@pytest.mark.parametrize("fault", ["error_before", "rate_limit"])
def test_it_waits_and_tries_again_while_twilio_is_busy(alone, standin, key, fault):
    due()
    pauses = []
    standin.fault(fault, operation="list", times=2, retry_after=3)
    standin.fault(fault, operation="delete", retry_after=3)
    found = reconcile(wait=pauses.append)
    assert (found.accounts_failed, found.revoked, found.not_revoked) == (0, 1, 0)
    assert len(pauses) == 3
    if fault == "rate_limit":
        assert pauses == [3.0] * 3


def test_it_does_not_wait_longer_than_it_may(alone, standin, key, settings):
    pauses = []
    standin.fault("rate_limit", operation="list", times=100, retry_after=8)
    settings.RECONCILE_PATIENCE = 20.0
    assert reconcile(wait=pauses.append).accounts_failed == 1
    assert pauses == [8.0, 8.0]


def test_it_still_revokes_when_the_listing_fails(alone, standin, key):
    due()
    standin.fault("unauthorized", operation="list", times=10)
    found = reconcile()
    assert (found.accounts_failed, found.revoked) == (1, 1)
    assert standin.key(key.sid) is None


def test_one_key_that_cannot_be_deleted_does_not_keep_the_others(alone, standin):
    for number in range(4):
        alone.issued(friendly_name=f"n-{number}")
    due(4)
    standin.fault("refuse", operation="delete", status=400, code=20001)
    found = reconcile()
    assert (found.revoked, found.not_revoked) == (3, 1)
    assert reconcile().revoked == 1


@pytest.mark.parametrize("fault", ["unauthorized", "drop_before"])
def test_it_does_not_go_on_deleting_when_twilio_does_not_answer(alone, standin, fault):
    for number in range(4):
        alone.issued(friendly_name=f"n-{number}")
    due(4)
    before = standin.requests()["delete"]
    standin.fault(fault, operation="delete", times=50)
    found = reconcile()
    assert (found.revoked, found.not_revoked) == (0, 4)
    assert standin.requests()["delete"] - before == 1


def test_it_deletes_a_bounded_number_in_one_run(alone, standin, settings):
    settings.RECONCILE_DELETES = 2
    for number in range(3):
        alone.issued(friendly_name=f"n-{number}")
    due(3)
    standin.fault("drop_after")
    lost = alone.approved(friendly_name="lost")
    alone.issue(lost)
    assert [(found.revoked, found.orphans_deleted) for found in (reconcile(), reconcile())] == [(2, 0), (1, 1)]


def test_it_pages_through_everything(alone, standin, key, monkeypatch):
    with standin.client() as client:
        for number in range(7):
            client.create_restricted_key(account_sid=standin.account_sid, friendly_name=f"n{number}", policy=key.policy)
    listed = TwilioIamClient.list_keys
    monkeypatch.setattr(
        TwilioIamClient, "list_keys", lambda self, *, account_sid: listed(self, account_sid=account_sid, page_size=3)
    )
    before = standin.requests()["list"]
    assert reconcile().unmanaged_new == 7
    assert standin.requests()["list"] - before == 3
    assert AccountCheck.objects.get().keys_listed == 8


# What is kept of runs


def test_it_keeps_what_each_run_found(alone, key, settings):
    due()
    reconcile()
    run = ReconcileRun.objects.get()
    assert run.finished_at >= run.started_at
    assert run.findings["revoked"] == 1
    assert (run.found_something, run.error) == (True, "")
    reconcile()
    assert not ReconcileRun.objects.first().found_something


def test_it_forgets_the_oldest_runs_of_each_kind(alone, monkeypatch):
    monkeypatch.setattr(reconcile_run, "RUNS_KEPT", 3)
    for _ in range(5):
        reconcile()
    notable = [ReconcileRun.objects.create(started_at=timezone.now(), found_something=True) for _ in range(5)]
    reconcile()
    assert ReconcileRun.objects.filter(found_something=False).count() == 3
    kept = ReconcileRun.objects.filter(found_something=True)
    assert {run.pk for run in kept} == {run.pk for run in notable[2:]}


def test_it_reports_an_account_once_when_it_failed_too_often_and_when_it_works_again(alone, standin, settings, told):
    settings.RECONCILE_FAILED_RUNS = 3
    standin.fault("unauthorized", operation="list", times=4)
    for _ in range(4):
        reconcile()
    assert [notice["kind"] for notice in told] == [
        "alarm.account_unreachable",
        "account.unreachable",
    ]  # to portal admins
    assert matching(action="account.unreachable").get().details["runs"] == 3
    page = text_of(alone.client("security").get("/reconciliation/"))
    assert "4 runs failed since" in page
    reconcile()
    reconcile()
    assert matching(action="account.reachable").count() == 1
    check = AccountCheck.objects.get()
    assert (check.failed_runs, check.failing_since, check.last_error) == (0, None, "")


def test_a_single_failure_is_no_news(alone, standin, told):
    standin.fault("unauthorized", operation="list")
    reconcile()
    reconcile()
    assert not told
    assert not matching(action="account").exists()


def test_a_run_that_breaks_off_does_not_pass_for_one_that_went_well(alone, monkeypatch, told):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(reconcile_run, "_list_all", broken)
    with pytest.raises(ZeroDivisionError):
        reconcile()
    assert [notice["kind"] for notice in told] == ["alarm.reconciler_failed"]
    assert "a whole run (ZeroDivisionError)" in text_of(alone.client("security").get("/reconciliation/"))


# The page


@pytest.mark.parametrize(
    ("role", "status"), [("security", 200), ("lead", 403), ("engineer", 403), ("admin", 403), ("stranger", 403)]
)
def test_the_page_is_for_security(cast, role, status):
    client = cast.client(role)
    assert client.get("/reconciliation/").status_code == status
    assert ("/reconciliation/" in client.get("/").content.decode()) is (status == 200)


def test_it_warns_security_when_the_reconciler_does_not_run(alone, settings):
    client = alone.client("security")
    assert "has never run" in text_of(client.get("/"))
    reconcile()
    assert "reconciler" not in text_of(client.get("/"))
    page = text_of(client.get("/reconciliation/"))
    assert "0 attempts still open" in page
    assert "ran last" not in page
    ReconcileRun.objects.update(finished_at=timezone.now() - timedelta(hours=1))
    for url in ("/", "/reconciliation/"):
        assert "Start it again" in text_of(client.get(url))
    assert "Start it again" not in text_of(alone.client("lead").get("/"))


# The command


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_command_says_what_was_found(alone, key):
    due()
    out = io.StringIO()
    call_command("reconcile", stdout=out)
    assert out.getvalue() == "0 attempts still open; 1 key revoked\n"


@pytest.mark.parametrize(
    ("out", "verbosity", "shown"), [(Terminal, 1, True), (io.StringIO, 2, True), (io.StringIO, 1, False)]
)
def test_the_command_shows_progress_on_a_terminal(alone, key, out, verbosity, shown):
    stream = out()
    call_command(Command(), stdout=stream, verbosity=verbosity)
    assert ("Shop (staging): 1 keys listed" in stream.getvalue()) is shown


def test_the_command_fails_when_something_is_left(cast, key):
    with pytest.raises(CommandError, match="Not everything could be settled"):
        call_command("reconcile", stdout=io.StringIO())
