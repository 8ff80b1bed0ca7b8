"""The database fails between Twilio's answer and the portal's own record of it, and what is on the disk then."""

import io
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from keys_app.audit import record
from keys_app.audit.ledger import LedgerDamaged
from keys_app.catalogue.models import Probe
from keys_app.key_requests.models import Issuance, KeyRequest
from keys_app.keys import breaches
from keys_app.keys.models import ApiKey
from keys_app.reconcile.run import reconcile
from keys_app.twilio_iam.transport import Transport
from tests.cast import secret_in, text_of, time_passes


@pytest.fixture
def failing(monkeypatch):
    """Let the database fail from the moment Twilio has answered a call: once, or until the web request is over."""

    @contextmanager
    def from_the_answer_to(method, *, times=10_000):
        exchange, left = Transport.exchange, [times]

        def refuse(execute, sql, params, many, context):
            if left[0]:
                left[0] -= 1
                raise OperationalError("the database is gone")
            return execute(sql, params, many, context)

        with ExitStack() as down, monkeypatch.context() as patch:

            def exchanged(self, asked, *args, **options):
                try:
                    return exchange(self, asked, *args, **options)
                finally:
                    if asked == method and refuse not in connection.execute_wrappers:
                        down.enter_context(connection.execute_wrapper(refuse))

            patch.setattr(Transport, "exchange", exchanged)
            yield

    return from_the_answer_to


@pytest.fixture
def no_file_can_be_written(monkeypatch):
    """Nothing can be written beside the checkpoints either."""

    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(breaches, "write_new", full)


def settled(settings, standin, key_request):
    """Reconcile until nothing is left to do, and return the request's state."""
    settings.RECONCILE_GRACE = timedelta(0)
    time_passes(standin)
    for _ in range(4):
        reconcile()
    key_request.refresh_from_db()
    return key_request.state


@pytest.mark.parametrize("rotating", [False, True])
@pytest.mark.parametrize("fault", ["null_policy", "other_policy"])
@pytest.mark.parametrize("times", [1, 10_000])
def test_it_deletes_a_key_with_another_policy_and_tells_of_it_whatever_the_database_does(
    live_cast, standin, settings, actions, told, failing, fault, times, rotating
):
    key_request = live_cast.issued()[0] if rotating else live_cast.approved()
    before = {key["sid"] for key in standin.keys()}
    standin.fault(fault)
    with failing("POST", times=times):
        if rotating:
            key = key_request.keys.get()
            answer = live_cast.client("engineer").post(f"/keys/{key.sid}/rotate/", {"overlap_hours": "24"})
        else:
            answer = live_cast.issue(key_request)
    assert answer.status_code == 502
    assert "and never shown" in text_of(answer)
    assert not secret_in(answer)
    assert {key["sid"] for key in standin.keys()} == before

    assert settled(settings, standin, key_request) == ("issued" if rotating else "failed")
    assert [notice["kind"] for notice in told].count("alarm.policy_breach") == 1
    assert actions(key_request.pk).count("key.policy_breach") == 1
    assert not Issuance.objects.filter(state__in=("started", "unknown")).exists()
    assert list(settings.CHECKPOINT_DIR.glob("breach-*")) == []


def test_it_leaves_to_the_reconciler_what_it_cannot_write_down(
    live_cast, standin, settings, actions, told, failing, no_file_can_be_written
):
    key_request = live_cast.approved()
    standin.fault("other_policy")
    with failing("POST"):
        answer = live_cast.issue(key_request)
    assert answer.status_code == 502
    assert "could not be recorded or deleted yet" in text_of(answer)
    (left,) = standin.keys()
    assert settled(settings, standin, key_request) == "failed"
    assert standin.key(left["sid"]) is None
    assert [notice["kind"] for notice in told].count("alarm.policy_breach") == 1
    assert actions(key_request.pk)[-2:] == ["key.policy_breach", "key.orphan_deleted"]


@pytest.mark.parametrize("late", [False, True])
def test_it_tells_of_another_policy_though_the_answer_was_lost(cast, standin, settings, actions, told, late):
    """Whoever was to check the answer was killed, or never got it."""
    key_request = cast.approved()
    standin.fault("drop_after", hide=3600 if late else 0)
    cast.issue(key_request)
    (lost,) = standin.keys()
    with standin.client() as client:
        client.update_key(lost["sid"], policy=key_request.policy.of(["/twilio/iam/api-keys/create"]))
    settings.RECONCILE_GRACE = timedelta(0)
    for _ in range(3 if late else 0):
        reconcile()
    standin.show_hidden()
    reconcile()
    reconcile()
    key_request.refresh_from_db()
    assert standin.key(lost["sid"]) is None
    assert [notice["kind"] for notice in told].count("alarm.policy_breach") == 1
    assert actions(key_request.pk)[-2:] == ["key.policy_breach", "key.orphan_deleted"]
    assert key_request.state == ("approved" if late else "failed")


def test_it_deletes_a_lost_key_that_twilio_does_not_show(cast, standin, told):
    standin.fault("drop_after")
    cast.issue(cast.approved(friendly_name="lost"))
    standin.fault("refuse", operation="fetch", status=400, code=20001)
    assert reconcile().orphans_deleted == 1
    assert not told


@pytest.mark.parametrize("rotating", [False, True])
@pytest.mark.parametrize("times", [1, 10_000])
def test_it_says_that_the_outcome_is_unknown_when_a_good_key_cannot_be_recorded(
    live_cast, standin, settings, failing, times, rotating
):
    key_request = live_cast.issued()[0] if rotating else live_cast.approved()
    before = {key["sid"] for key in standin.keys()}
    with failing("POST", times=times):
        if rotating:
            url = f"/keys/{key_request.keys.get().sid}/rotate/"
            answer = live_cast.client("engineer").post(url, {"overlap_hours": "24"})
        else:
            answer = live_cast.issue(key_request)
    assert (answer.status_code, secret_in(answer)) == (504, "")
    assert settled(settings, standin, key_request) == ("issued" if rotating else "approved")
    assert {key["sid"] for key in standin.keys()} == before


def test_it_says_so_too_when_the_ledger_is_damaged(cast, standin, monkeypatch):
    key_request = cast.approved()

    def damaged(entry):
        raise LedgerDamaged("a node is missing")

    append = record.ledger.append
    monkeypatch.setattr(
        record.ledger, "append", lambda entry: damaged(entry) if entry.action == "key.issued" else append(entry)
    )
    answer = cast.issue(key_request)
    assert (answer.status_code, secret_in(answer)) == (504, "")
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize("fault", ["refuse", "rate_limit", "drop_after"])
@pytest.mark.parametrize("times", [1, 10_000])
def test_it_has_a_page_for_an_outcome_without_a_key_that_cannot_be_recorded(live_cast, standin, failing, fault, times):
    key_request = live_cast.approved()
    standin.fault(fault)
    with failing("POST", times=times):
        answer = live_cast.issue(key_request)
    assert answer.status_code == 504
    assert "The portal compares its records with Twilio" in text_of(answer)


@pytest.mark.parametrize("fault", ["refuse", "rate_limit", "drop_after"])
def test_it_tells_what_twilio_said_though_the_reconciler_has_settled_the_attempt(
    live_cast, standin, monkeypatch, fault
):
    key_request = live_cast.approved()
    standin.fault(fault)
    exchange = Transport.exchange

    def settled_meanwhile(self, method, *args, **options):
        try:
            return exchange(self, method, *args, **options)
        finally:
            if method == "POST":
                Issuance.objects.update(state="never_created", finished_at=timezone.now())
                KeyRequest.objects.update(state="approved")

    monkeypatch.setattr(Transport, "exchange", settled_meanwhile)
    answer = live_cast.issue(key_request)
    assert answer.status_code == {"refuse": 502, "rate_limit": 503, "drop_after": 504}[fault]
    assert "Nothing was changed" not in text_of(answer)


@pytest.mark.parametrize("role", ["engineer", "lead"])
@pytest.mark.parametrize("headers", [{}, {"HTTP_HX_REQUEST": "true"}])
@pytest.mark.parametrize("rotating", [False, True])
def test_it_shows_a_recorded_key_though_the_database_is_gone_then(
    live_cast, standin, monkeypatch, role, headers, rotating
):
    """The secret is in this one answer: making the page must not need what can fail."""
    key_request = live_cast.approved(role, by="colead")
    client = live_cast.client(role)
    if rotating:
        live_cast.issue(key_request, role)
    url = f"/keys/{key_request.keys.get().sid}/rotate/" if rotating else f"/requests/{key_request.pk}/issue/"
    append = record.ledger.append

    def refuse(*_):
        raise OperationalError("the database is gone")

    with ExitStack() as down:

        def watched(entry):
            if entry.action == "key.issued":
                transaction.on_commit(lambda: down.enter_context(connection.execute_wrapper(refuse)))
            return append(entry)

        monkeypatch.setattr(record.ledger, "append", watched)
        answer = client.post(url, {"overlap_hours": "24"}, **headers)
    assert answer.status_code == 200
    assert secret_in(answer)


@pytest.mark.parametrize("times", [1, 10_000])
@pytest.mark.parametrize("action", ["revoke", "replace"])
def test_it_says_that_a_deletion_is_not_recorded_yet(live_cast, standin, actions, failing, action, times):
    key_request, _ = live_cast.issued()
    key = key_request.keys.get()
    with failing("DELETE", times=times):
        answer = live_cast.client("engineer").post(f"/keys/{key.sid}/{action}/", {"reason": "Not needed."})
    assert answer.status_code == 503
    assert "Not recorded yet" in text_of(answer)
    assert "Twilio has deleted the key" in text_of(answer)
    key.refresh_from_db()
    assert (key.state, standin.key(key.sid)) == ("revoking", None)
    assert reconcile().revoked == 1
    assert actions(key_request.pk)[-1] == "key.revoked"


@pytest.mark.parametrize("times", [1, 10_000])
def test_it_leaves_no_key_of_a_catalogue_check(live_cast, standin, failing, settings, actions, times):
    with failing("POST", times=times), pytest.raises(CommandError, match="the database failed"):
        call_command("catalogue_check", standin.account_sid, "--yes", stdout=io.StringIO())
    assert standin.keys() == []
    settings.RECONCILE_GRACE = timedelta(0)
    Probe.objects.update(in_flight_until=timezone.now())
    reconcile()
    assert Probe.objects.get().finished_at


def test_a_commit_is_on_the_disk(db):
    """SQLite's durability is set for each connection; PostgreSQL has it unless somebody switched it off."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            asked = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
            found = {name: cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in asked}
        else:
            asked, found = (
                {"fsync": "on", "synchronous_commit": "on", "transaction_isolation": "read committed"},
                {},
            )
            for name in asked:
                cursor.execute(f"SHOW {name}")
                found[name] = cursor.fetchone()[0]
    assert found == asked
