"""A link for a new password: mailed to who has the address, and the same answer and work for everybody else."""

import re
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from keys_app.audit.ledger import matching
from keys_app.reconcile.send_notices import send_notices
from keys_app.users import password_resets, password_tries
from keys_app.users.models import PasswordReset
from tests.cast import text_of
from tests.notifications.test_notices import WithResets

RESET = "/accounts/password/reset/"
UNKNOWN = "nobody@example.test"


@pytest.fixture
def person(cast, settings):
    """Somebody with a mail address, in a portal that sends mail."""
    settings.SENDS_MAIL, settings.ROOT_URLCONF = True, WithResets
    user = cast.user("engineer")
    user.email = "engineer@example.test"
    user.save()
    return user


def ask(address, source="192.0.2.1"):
    return Client().post(RESET, {"email": address}, REMOTE_ADDR=source)


def work_for(address):
    """Return what the database was asked, without the values, and the answer with the page it leads to."""
    client = Client()
    with CaptureQueriesContext(connection) as asked:
        answer = client.post(RESET, {"email": address})
    statements = [re.split("VALUES|WHERE|SAVEPOINT|xact_lock", query["sql"])[0] for query in asked.captured_queries]
    headers = {
        name: value for name, value in answer.headers.items() if name != "X-Request-ID"
    }  # each answer has its own
    return statements, answer.status_code, headers, text_of(client.get(answer["Location"]))


def test_an_unknown_address_gets_the_same_answer_from_the_same_work(person):
    """Nobody is looked up, so nothing is hashed and no mail is sent, before the answer."""
    known, unknown = work_for(person.email), work_for(UNKNOWN)
    assert known == unknown
    assert not [statement for statement in known[0] if "auth_user" in statement or "account_" in statement]
    assert not mail.outbox


def test_only_a_known_address_gets_mail(person):
    assert {ask(address).status_code for address in (person.email, UNKNOWN)} == {302}
    send_notices()
    (message,) = mail.outbox
    assert message.to == [person.email]
    assert "http://127.0.0.1:8000/accounts/password/reset/key/" in message.body
    assert not PasswordReset.objects.exists()
    send_notices()
    assert len(mail.outbox) == 1


def test_a_link_of_the_portals_own_address_is_mailed_whatever_the_request_said(person, settings):
    settings.ALLOWED_HOSTS = ["evil.example", "127.0.0.1"]
    Client().post(RESET, {"email": person.email}, headers={"host": "evil.example"})
    send_notices()
    assert "evil.example" not in mail.outbox[0].body


def test_no_token_waits_in_the_database(person):
    ask(person.email)
    (row,) = PasswordReset.objects.values()
    assert row["address"] == person.email
    assert set(row) == {"id", "address", "invites_id", "asked_at", "due_at", "attempts"}


@pytest.mark.parametrize("address", ["engineer@example.test", UNKNOWN])
def test_an_address_is_limited_whether_or_not_it_is_anyones(person, address):
    statuses = [
        ask(address.upper() if number % 2 else address, f"203.0.113.{number}").status_code for number in range(8)
    ]
    assert statuses == [302] * password_tries.RESETS_OF_AN_ADDRESS + [429] * 3
    answer = ask(address)
    assert "asked for too often. Try again in 1 hour" in text_of(answer)
    assert f'value="{address}"' in answer.content.decode()
    assert 3000 <= int(answer["Retry-After"]) <= 3600
    assert PasswordReset.objects.count() == password_tries.RESETS_OF_AN_ADDRESS
    (event,) = matching(action="user.turned_away")
    assert (event.actor_name, event.details["limit"]) == ("an unknown name", "password resets")
    assert address not in event.canonical


def test_a_source_is_limited(person):
    for number in range(password_tries.MOST_FROM_A_SOURCE):
        ask(f"name-{number}@example.test", f"2001:db8::{number:x}")
    assert ask(person.email, "2001:db8::ffff").status_code == 429
    assert ask(person.email, "2001:db8:1::1").status_code == 302


def test_a_mail_server_that_is_down_is_asked_again_for_an_hour(person, monkeypatch):
    ask(person.email)
    monkeypatch.setattr("django.core.mail.message.EmailMessage.send", refuses)
    send_notices()
    row = PasswordReset.objects.get()
    assert (row.address, row.attempts) == (person.email, 1)
    assert row.due_at > timezone.now()
    late = password_resets.WORTH_SENDING + timedelta(minutes=1)
    PasswordReset.objects.update(due_at=F("due_at") - late, asked_at=F("asked_at") - late)
    send_notices()
    assert not PasswordReset.objects.exists()
    (event,) = matching(action="mail.gave_up")
    assert person.email not in event.canonical


def refuses(*_, **__):
    raise ConnectionRefusedError
