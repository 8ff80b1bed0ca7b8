"""Connecting a Twilio account from the command line."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from keys_app.audit.ledger import matching
from keys_app.connections.models import Connection
from keys_app.core.errors import PortalError
from keys_app.organisation.credentials import client_for
from keys_app.organisation.models import Account

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def credential(cast, standin, monkeypatch):
    """The environment of somebody who holds the stand-in's credential, which the portal does not have yet."""
    cast.account.delete()
    monkeypatch.setenv("TWILIO_API_KEY", standin.api_key)
    monkeypatch.setenv("TWILIO_API_SECRET", standin.api_secret)
    return monkeypatch


def connect(sid, *arguments, name="Shop", environment="staging"):
    """Run the command, without what is None; return everything it wrote."""
    out = io.StringIO()
    given = {"--name": name, "--environment": environment}
    named = [part for option, value in given.items() if value is not None for part in (option, value)]
    call_command("connect_account", sid, *named, *arguments, stdout=out, stderr=out)
    return out.getvalue()


def whole_database():
    """Return every value of every table as one text."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            for row in cursor.fetchall():
                found += [bytes(v).decode("latin-1") if isinstance(v, memoryview | bytes) else str(v) for v in row]
    return "\n".join(found)


def listed(account):
    with client_for(account) as client:
        return list(client.list_keys(account_sid=account.sid))


def test_it_proves_the_credential_and_stores_it(credential, standin):
    before = standin.requests()
    out = connect(standin.account_sid, "--team", "Payments", "--team", "Support")
    account = Account.objects.get(sid=standin.account_sid)
    asked = {name: number - before[name] for name, number in standin.requests().items()}
    assert asked == {"list": 1, "create": 1, "fetch": 1, "update": 0, "delete": 2}
    assert account.proved_at is not None
    assert (account.name, account.environment, account.is_active) == ("Shop", "staging", True)
    assert account.credential_user == standin.api_key
    assert {team.name for team in account.teams.all()} == {"Payments", "Support"}
    assert f"Connected {standin.account_sid}" in out
    assert isinstance(listed(account), list)


def test_the_key_it_was_tried_with_is_gone(credential, standin):
    connect(standin.account_sid)
    assert standin.keys() == []
    made = standin.truth()["keys"][-1]
    assert made["friendly_name"].startswith("connection check [kp:")
    assert (made["policy"], made["exists"]) == (["/twilio/messaging/messages/list"], False)


def test_with_a_listing_alone_it_writes_nothing_at_twilio(credential, standin):
    before = standin.requests()
    out = connect(standin.account_sid, "--check", "listing")
    asked = {name: number - before[name] for name, number in standin.requests().items()}
    assert asked == {"list": 1, "create": 0, "fetch": 0, "update": 0, "delete": 0}
    assert "unproved" in out
    assert Account.objects.get(sid=standin.account_sid).proved_at is None


def test_it_records_who_connected_what(credential, standin):
    connect(standin.account_sid, "--team", "Payments")
    event = matching(action="account.connected").get()
    assert event.account_sid == standin.account_sid
    assert event.actor_name.startswith("connect_account by ")
    assert event.details == {
        "name": "Shop",
        "environment": "staging",
        "credential": standin.api_key,
        "proved": True,
        "teams": ["Payments"],
    }
    connection = Connection.objects.get()
    assert connection.outcome == "connected"
    events = matching(account=standin.account_sid).order_by("sequence")
    assert list(events.values_list("action", "key_sid")) == [
        ("connection.started", ""),
        ("connection.key_started", ""),
        ("connection.key_made", connection.key_sid),
        ("connection.key_deleted", connection.key_sid),
        ("account.connected", ""),
    ]


def test_the_secret_is_nowhere_in_the_clear(credential, standin, caplog):
    caplog.set_level(0)
    out = connect(standin.account_sid)
    stored = whole_database()
    assert standin.api_key in stored
    assert standin.api_secret not in stored
    assert standin.api_secret not in out + caplog.text


def test_it_says_when_no_team_can_use_it(credential, standin):
    assert "No team may ask for keys on it yet" in connect(standin.account_sid)
    assert "No team" not in connect(standin.account_sid, "--team", "Payments")


@pytest.mark.parametrize("name", ["TWILIO_API_SECRET", "TWILIO_API_KEY"])
def test_a_wrong_credential_is_refused_with_twilios_words(credential, standin, name):
    wrong = "SK" + "f" * 32
    credential.setenv(name, wrong)
    with pytest.raises(CommandError) as refusal:
        connect(standin.account_sid)
    assert str(refusal.value).startswith(f"Twilio did not list the keys of {standin.account_sid}: ")
    assert "Authentic" in str(refusal.value)
    assert standin.api_secret not in str(refusal.value)
    assert not Account.objects.filter(sid=standin.account_sid).exists()
    assert not matching(action="account.connected").exists()


def test_another_account_than_the_credentials_is_refused(credential, standin):
    other = "AC" + "e" * 32
    with pytest.raises(CommandError, match=f"did not list the keys of {other}"):
        connect(other)
    assert not Account.objects.filter(sid=other).exists()


def test_nothing_is_stored_when_twilio_does_not_answer(credential, standin):
    standin.fault("error_before", operation="list")
    with pytest.raises(CommandError, match="Twilio did not list the keys"):
        connect(standin.account_sid)
    assert not Account.objects.filter(sid=standin.account_sid).exists()


@pytest.mark.parametrize("sid", ["", "AC1", "SK" + "a" * 32, "AC" + "g" * 32, "AC" + "a" * 32 + "\n"])
def test_a_malformed_sid_is_refused_before_twilio_is_asked(credential, standin, sid):
    before = standin.requests()["list"]
    with pytest.raises(CommandError, match="sid: "):
        connect(sid)
    assert standin.requests()["list"] == before


@pytest.mark.parametrize(
    ("values", "field"),
    [({"name": ""}, "name"), ({"name": "n" * 81}, "name"), ({"environment": "moon"}, "environ")],
)
def test_other_bad_values_are_refused(credential, standin, values, field):
    before = standin.requests()["list"]
    with pytest.raises(CommandError, match=field):
        connect(standin.account_sid, **values)
    assert standin.requests()["list"] == before


@pytest.mark.parametrize("left_out", ["name", "environment"])
def test_a_new_account_needs_a_name_and_an_environment(credential, standin, left_out):
    before = standin.requests()["list"]
    with pytest.raises(CommandError, match=f"{left_out}: An account that is connected for the first time needs it"):
        connect(standin.account_sid, **{left_out: None})
    assert standin.requests()["list"] == before


def test_an_account_connected_before_keeps_what_is_not_given(credential, standin):
    connect(standin.account_sid, "--team", "Payments")
    Account.objects.filter(pk=standin.account_sid).update(credential_user="SK" + "1" * 32)
    connect(standin.account_sid, name=None, environment=None)
    account = Account.objects.get(pk=standin.account_sid)
    assert (account.name, account.environment, account.credential_user) == ("Shop", "staging", standin.api_key)
    assert [team.name for team in account.teams.all()] == ["Payments"]
    assert matching(action="account.reconnected").get().details["changed"] == {
        "credential": {"from": "SK" + "1" * 32, "to": standin.api_key}
    }


def test_an_unknown_team_is_refused(credential, standin):
    with pytest.raises(CommandError, match="No such team: Nobody"):
        connect(standin.account_sid, "--team", "Payments", "--team", "Nobody")
    assert not Account.objects.filter(sid=standin.account_sid).exists()


def test_connecting_again_replaces_the_credential(credential, standin):
    connect(standin.account_sid, "--team", "Payments")
    Account.objects.update(is_active=False, credential_ciphertext="out of date", credential_user="SK-old")
    connect(standin.account_sid, "--team", "Support", name="Web shop", environment="production")
    account = Account.objects.get(sid=standin.account_sid)
    assert (account.name, account.environment) == ("Web shop", "production")
    assert account.is_active is False, "an account that was switched off must not come back by itself"
    assert account.credential_user == standin.api_key
    assert {team.name for team in account.teams.all()} == {"Payments", "Support"}
    assert isinstance(listed(account), list)
    events = matching(account=standin.account_sid).filter(action__startswith="account.")
    assert list(events.values_list("action", flat=True)) == ["account.reconnected", "account.connected"]


def test_a_failed_second_time_leaves_the_first_as_it_was(credential, standin):
    connect(standin.account_sid)
    before = Account.objects.values().get(sid=standin.account_sid)
    credential.setenv("TWILIO_API_SECRET", "wrong")
    with pytest.raises(CommandError):
        connect(standin.account_sid, name="Other")
    assert Account.objects.values().get(sid=standin.account_sid) == before


def test_a_new_encryption_key_in_front_still_reads_what_the_old_one_wrote(credential, standin, settings):
    old, new = settings.ENCRYPTION_KEYS[0], Fernet.generate_key().decode()
    connect(standin.account_sid)
    account = Account.objects.get(sid=standin.account_sid)
    settings.ENCRYPTION_KEYS = [new, f" {old} "]
    assert isinstance(listed(account), list)
    settings.ENCRYPTION_KEYS = [new]
    with pytest.raises(PortalError, match="connect the account again"):
        client_for(account)
    connect(standin.account_sid)
    account.refresh_from_db()
    assert isinstance(listed(account), list)


def test_a_credential_that_was_tampered_with_is_not_sent(credential, standin):
    connect(standin.account_sid)
    account = Account.objects.get(sid=standin.account_sid)
    before = standin.requests()["list"]
    account.credential_ciphertext = account.credential_ciphertext[:-8] + "AAAAAAA="
    with pytest.raises(PortalError, match="cannot read its credential"):
        client_for(account)
    assert standin.requests()["list"] == before


@pytest.mark.parametrize("missing", ["TWILIO_API_KEY", "TWILIO_API_SECRET"])
def test_without_a_terminal_the_credential_must_be_in_the_environment(credential, standin, missing):
    credential.delenv(missing)
    credential.setattr(sys, "stdin", io.StringIO("typed\ntyped\n"))
    with pytest.raises(CommandError, match="Set TWILIO_API_KEY and TWILIO_API_SECRET"):
        connect(standin.account_sid)


@pytest.mark.parametrize("option", ["--secret", "--api-secret", "--password", "--token"])
def test_the_credential_is_never_an_argument(credential, standin, option):
    with pytest.raises(CommandError, match="unrecognized arguments"):
        connect(standin.account_sid, option, "x")


def test_a_secret_that_is_no_text_is_refused_in_words(credential, standin):
    credential.setenv("TWILIO_API_SECRET", "secret\udcff")
    with pytest.raises(CommandError):
        connect(standin.account_sid)
    assert not Account.objects.filter(sid=standin.account_sid).exists()


def test_a_failure_is_an_exit_code_and_a_line_on_standard_error(tmp_path):
    answer = subprocess.run(
        [sys.executable, "manage.py", "connect_account", "AC1", "--name", "x", "--environment", "moon"],
        cwd=ROOT,
        env={
            "PORTAL_SECRET_KEY": settings.SECRET_KEY,
            "PORTAL_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
            "DATABASE_URL": f"sqlite:///{tmp_path / 'empty.sqlite3'}",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode != 0
    assert answer.stdout == ""
    assert "invalid choice: 'moon'" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_connecting_again_leaves_what_others_set_and_tells_what_it_changed(credential, cast, standin):
    connect(standin.account_sid, "--team", "Payments")
    limits = {
        "is_active": False,
        "leads_required": 2,
        "max_risk": "medium",
        "max_lifetime_days": 30,
        "allowed_products": ["messaging"],
        "forbidden_permissions": ["/twilio/iam/api-keys/create"],
    }
    Account.objects.update(**limits)
    connect(standin.account_sid, "--team", "Support", name="Webshop", environment="production")
    account = Account.objects.get(pk=standin.account_sid)
    assert {name: getattr(account, name) for name in limits} == limits
    assert (account.name, account.environment) == ("Webshop", "production")
    assert matching(action="account.reconnected").get().details["changed"] == {
        "name": {"from": "Shop", "to": "Webshop"},
        "environment": {"from": "staging", "to": "production"},
        "teams": {"from": ["Payments"], "to": ["Payments", "Support"]},
        "credential": "set",
    }


def test_it_names_the_credential_before_and_after(credential, standin):
    connect(standin.account_sid)
    Account.objects.update(credential_user="SK" + "1" * 32)
    connect(standin.account_sid)
    changed = matching(action="account.reconnected").get().details["changed"]
    assert changed == {"credential": {"from": "SK" + "1" * 32, "to": standin.api_key}}
