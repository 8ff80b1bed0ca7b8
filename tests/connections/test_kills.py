"""A command that is killed while it connects an account leaves nothing that the reconciler does not clean up."""

from contextlib import ExitStack
from datetime import timedelta

import pytest
from django.db import connection as database
from django.utils import timezone

from keys_app.audit.incarnation import check
from keys_app.audit.installation import identity
from keys_app.audit.ledger import matching
from keys_app.connections.models import Connection
from keys_app.core.secret import Secret
from keys_app.organisation.credentials import encrypt
from keys_app.organisation.models import Account
from keys_app.permissions.naming import marked_name, new_marker
from keys_app.permissions.policy import Policy
from keys_app.reconcile.models import UnmanagedKey
from keys_app.reconcile.run import reconcile
from keys_app.twilio_iam.transport import Transport
from tests.cast import text_of

from .test_connect_account import connect, credential

__all__ = ["credential"]
ENDS_A_TRANSACTION = ("ROLLBACK", "RELEASE", "SAVEPOINT")


class Killed(BaseException):
    """The process is gone: whatever it tries from then on does not happen."""


class Life:
    """Lets a process take so many steps: statements of the database that write, and both sides of a call to Twilio."""

    def __init__(self, steps):
        self.left = steps

    @property
    def is_over(self):
        return self.left <= 0

    def step(self):
        self.left -= 1
        if self.left < 0:
            raise Killed

    def statement(self, execute, sql, params, many, context):
        if not sql.startswith(("SELECT", *ENDS_A_TRANSACTION)):
            self.step()
        elif self.left < 0 and not sql.startswith(ENDS_A_TRANSACTION):
            raise Killed
        return execute(sql, params, many, context)


def killed_after(steps, monkeypatch, sid):
    """Run the command until it has taken so many steps; tell whether it came to its end."""
    life, exchange = Life(steps), Transport.exchange

    def exchanged(self, *args, **kwargs):
        life.step()
        answer = exchange(self, *args, **kwargs)
        life.step()
        return answer

    with monkeypatch.context() as patch, ExitStack() as stack:
        patch.setattr(Transport, "exchange", exchanged)
        stack.enter_context(database.execute_wrapper(life.statement))
        try:
            connect(sid, "--team", "Payments", name="New name")
        except Killed:
            return False
    return True


@pytest.mark.parametrize("known", [False, True])
def test_it_may_be_killed_at_every_step(credential, cast, standin, settings, monkeypatch, known):
    settings.RECONCILE_GRACE = settings.RECONCILE_GRACE * 0
    cast.other_account.delete()
    steps, done, met = 0, False, set()
    while not done:
        Account.objects.all().delete()
        if known:
            connect(standin.account_sid, name="Old name")
        before = Account.objects.values().first()
        done = killed_after(steps, monkeypatch, standin.account_sid)
        attempt = Connection.objects.first()
        if not done and attempt and not attempt.outcome:
            met.add((bool(attempt.asked_at), bool(attempt.key_sid), len(standin.keys())))
            assert Account.objects.values().first() == before, "the one that worked stays until all is proved"
        Connection.objects.update(in_flight_until=timezone.now())
        for _ in range(3):
            reconcile()
        assert standin.keys() == []
        assert not Connection.objects.filter(settled_at=None).exists()
        assert not Connection.objects.exclude(credential_ciphertext="").exists()
        assert not UnmanagedKey.objects.exists()
        steps += 1
    gone = set(matching().filter(action__in=["connection.key_deleted", "key.orphan_deleted"]).values_list("key_sid"))
    noted = set(matching().filter(action="connection.key_made").values_list("key_sid"))
    assert noted <= gone
    assert met == {(False, False, 0), (True, False, 0), (True, False, 1), (True, True, 1), (True, True, 0)}
    assert Account.objects.get().name == "New name"


def left_open(standin, **values):
    """Leave an attempt whose command died after it asked for a key, and whose answer is not known."""
    now = timezone.now()
    given = {
        "account_sid": standin.account_sid,
        "credential_user": standin.api_key,
        "credential_ciphertext": encrypt(Secret(standin.api_secret)),
        "marker": new_marker(identity()),
        "incarnation": check.current(),
        "started_at": now,
        "asked_at": now,
        "in_flight_until": now,
    }
    return Connection.objects.create(**{**given, **values})


def made(standin, attempt, name="connection check"):
    with standin.client() as client:
        named = marked_name(name, attempt.marker)
        policy = Policy.of(["/twilio/messaging/messages/read"])
        return client.create_restricted_key(account_sid=standin.account_sid, friendly_name=named, policy=policy).sid


def test_what_is_proved_to_be_its_key_is_deleted(cast, standin):
    sid = made(standin, left_open(standin))
    reconcile()
    assert standin.key(sid) is None


LONG_AGO = {
    "asked_at": timezone.now() - timedelta(minutes=50),
    "in_flight_until": timezone.now() - timedelta(minutes=40),
}


@pytest.mark.parametrize("values", [{"incarnation": None}, LONG_AGO])
def test_a_key_that_only_bears_its_marker_is_left_to_a_person(cast, standin, told, values):
    attempt = left_open(standin, **values)
    sid = made(standin, attempt)
    for _ in range(4):
        reconcile()
    assert standin.key(sid) is not None
    kinds = [notice["kind"] for notice in told]  # and one that began long ago waits too long
    assert (kinds[0], set(kinds[1:]) <= {"alarm.stuck"}) == ("alarm.key_in_doubt", True)
    assert UnmanagedKey.objects.get(pk=sid).weighed["fails"]
    attempt.refresh_from_db()
    assert attempt.settled_at is None


@pytest.mark.parametrize("values", [{"incarnation": None}, LONG_AGO])
def test_without_an_account_to_show_it_on_security_is_told(credential, cast, standin, told, values):
    sid = made(standin, left_open(standin, **values))
    for _ in range(4):
        reconcile()
    assert standin.key(sid) is not None
    assert [notice["kind"] for notice in told] == ["alarm.connection_key"]
    assert f"It is not proved that {sid} is its key" in told[0]["text"]
    assert sid in text_of(cast.client("security").get("/reconciliation/"))


def test_of_another_hosts_attempt_that_host_decides(cast, standin, told):
    sid = made(standin, left_open(standin, incarnation="another"))
    reconcile()
    assert standin.key(sid) is not None
    assert told == []


def test_two_keys_with_its_marker_are_left_to_a_person(cast, standin):
    attempt = left_open(standin)
    sids = [made(standin, attempt), made(standin, attempt, "a copy")]
    reconcile()
    assert all(standin.key(sid) for sid in sids)


def test_a_live_key_of_the_portal_that_bears_its_marker_is_left_alone(cast, standin):
    key_request, _ = cast.issued()
    key = key_request.keys.get()
    attempt = left_open(standin)
    with standin.client() as client:
        client.update_key(key.sid, friendly_name=marked_name("copied", attempt.marker))
    reconcile()
    assert standin.key(key.sid) is not None


def test_a_credential_being_connected_that_bears_its_marker_is_left_alone(cast, standin):
    attempt = left_open(standin)
    sid = made(standin, attempt)
    left_open(standin, credential_user=sid, asked_at=None, in_flight_until=timezone.now() + timedelta(minutes=1))
    reconcile()
    assert standin.key(sid) is not None


def test_an_account_whose_own_credential_can_not_delete_is_cleaned_up_with_the_new_one(cast, standin):
    weak = standin.credential(without=["delete"])
    ciphertext = encrypt(Secret(weak.password))
    Account.objects.filter(pk=cast.account.pk).update(credential_user=weak.username, credential_ciphertext=ciphertext)
    attempt = left_open(standin)
    sid = made(standin, attempt)
    Connection.objects.update(key_sid=sid)
    reconcile()
    assert standin.key(sid) is None
    assert matching(action="key.orphan_deleted").get().key_sid == sid


def test_a_key_of_a_settled_attempt_that_is_listed_again_is_deleted_again(cast, standin):
    attempt = left_open(standin, settled_at=timezone.now(), credential_ciphertext="", outcome="failed")
    sid = made(standin, attempt)
    Connection.objects.update(key_sid=sid)
    reconcile()
    assert standin.key(sid) is None
    assert matching(action="key.orphan_deleted").get().key_sid == sid
    reconcile()
    assert matching(action="key.orphan_deleted").count() == 1
