"""`audit_verify --rows` names each request, approval, key and owner that SQL made or changed."""

import io
import uuid

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from keys_app.audit import triggers
from keys_app.audit.ledger import last
from keys_app.key_requests.decision_models import Approval
from keys_app.key_requests.models import KeyRequest
from keys_app.keys.models import ApiKey
from tests.cast import MAKE_KEYS

RULES = ("keys_app_keyrequest", "keys_app_approval")


def verified():
    """Return what `audit_verify --rows` says to standard output, its lines to standard error, and how it ends."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("audit_verify", rows=True, processes=1, stdout=out, stderr=err)
    except CommandError as error:
        return out.getvalue(), err.getvalue().splitlines(), str(error)
    return out.getvalue(), err.getvalue().splitlines(), ""


def sql(statement, *values):
    """Run a statement as someone who owns the tables does: with the rules off meanwhile."""
    values = [
        value.hex if isinstance(value, uuid.UUID) and connection.vendor == "sqlite" else value for value in values
    ]
    taken_off = triggers.drop(connection, *RULES)
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
    connection.check_constraints()  # PostgreSQL alters no table while foreign keys wait to be checked
    triggers.create(connection, taken_off)


def copied(row, **changes):
    """Insert a row like this one by SQL, with some columns of its own."""
    names = [field.column for field in row._meta.concrete_fields if field.column != "id" or "id" in changes]
    columns = ", ".join(names)
    taken = ", ".join("%s" if name in changes else name for name in names)
    values = [changes[name] for name in names if name in changes]
    table = row._meta.db_table
    sql(
        f"INSERT INTO {table} ({columns}) SELECT {taken} FROM {table} WHERE {row._meta.pk.column} = %s", *values, row.pk
    )


def request_by_sql(cast, key_request, key):
    new = uuid.uuid4()
    copied(key_request, id=new)
    return f"The request {new}: no event says how it came about. Its state is issued."


def approved_by_sql(cast, key_request, key):
    waiting = cast.ask()
    sql("UPDATE keys_app_keyrequest SET state = 'approved', approved_at = created_at WHERE id = %s", waiting.pk)
    return (
        f"The request {waiting.pk}: its state is approved; by event {last('request.created').sequence} it is pending."
    )


def approval_by_sql(cast, key_request, key):
    waiting, approver = cast.ask(permissions=MAKE_KEYS), cast.user("security").pk
    given = key_request.approvals.get()
    copied(
        given, request_id=waiting.pk, approver_id=approver, authority_id=approver, content_digest=waiting.content_digest
    )
    new = Approval.objects.latest("pk").pk
    return f"Approval {new} of request {waiting.pk}: approved by security, and no event says so."


def approver_changed(cast, key_request, key):
    sql("UPDATE keys_app_approval SET approver_id = %s", cast.user("colead").pk)
    return f"Approval {key_request.approvals.get().pk} of request {key_request.pk}: approved by colead, and no event"


def approval_removed(cast, key_request, key):
    number = last("request.approved").sequence
    sql("DELETE FROM keys_app_approval")
    return f"Request {key_request.pk}: event {number} says that it was approved, and there is no such approval."


def approval_voided(cast, key_request, key):
    sql("UPDATE keys_app_approval SET void_at = created_at, void_reason = 'x'")
    return f"Request {key_request.pk}: 1 of its approvals are void; by the events, 0."


def policy_changed(cast, key_request, key):
    wide = '{"allow":["/twilio/iam/api-keys/create"]}'
    sql("UPDATE keys_app_keyrequest SET policy_json = %s WHERE id = %s", wide, key_request.pk)
    return f"The request {key_request.pk}: its policy is {wide}; by event "


def key_by_sql(cast, key_request, key):
    sid = f"SK{9:032x}"
    copied(key, sid=sid, request_id=None, issuance_id=None, adopted_at=key.issued_at)
    return f"The key {sid}: no event says how it came about. Its state is active."


def owner_changed(cast, key_request, key):
    new = cast.user("engineer2").pk
    sql("UPDATE keys_app_apikey SET owner_id = %s", new)
    return f"The key {key.pk}: its owner is {new}; by event {last('key.issued').sequence} it is {key.owner_id}."


def revoked_by_sql(cast, key_request, key):
    sql("UPDATE keys_app_apikey SET state = 'revoked', revoked_at = issued_at")
    return f"The key {key.pk}: its state is revoked; by event {last('key.issued').sequence} it is active."


def prolonged(cast, key_request, key):
    sql("UPDATE keys_app_apikey SET expires_at = '2099-01-01 00:00:00+00:00'")
    return f"The key {key.pk}: its expiry is 2099-01-01 00:00:00+00:00; by event "


def key_removed(cast, key_request, key):
    sql("DELETE FROM keys_app_apikey")
    return f"The key {key.pk}, which event {last('key.issued').sequence} tells of, is not there."


ATTACKS = [
    request_by_sql,
    approved_by_sql,
    approval_by_sql,
    approver_changed,
    approval_removed,
    approval_voided,
    policy_changed,
    key_by_sql,
    owner_changed,
    revoked_by_sql,
    prolonged,
    key_removed,
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_it_names_the_row_and_what_the_events_say(cast, attack):
    key_request, _ = cast.issued()
    key = key_request.keys.get()
    out, lines, failed = verified()
    assert "The requests, approvals and keys are what the events say." in out
    assert (lines, failed) == ([], "")
    words = attack(cast, key_request, key)
    call_command("audit_verify", processes=1, stdout=io.StringIO())  # the events themselves are sound
    out, lines, failed = verified()
    assert [line for line in lines if line.startswith(words)], lines
    assert failed.startswith("NOT EXPLAINED: ")
    event = last("audit.verified")
    assert (event.details["sound"], event.details["unexplained"]) == (False, lines)
    page = cast.client("security").get("/audit/verify/").content.decode()
    assert "Not explained" in page
    assert KeyRequest.objects.exists()


def test_many_rows_are_read_a_few_at_a_time(cast, monkeypatch, told):
    """Each is named however many there are; the alarm and the event have the first of them."""
    from keys_app.reconcile import row_check

    monkeypatch.setattr(row_check, "AT_ONCE", 2)
    monkeypatch.setattr(row_check, "SHOWN", 3)
    key_request, _ = cast.issued()
    for number in range(5):
        copied(
            key_request.keys.get(),
            sid=f"SK{number:032x}",
            request_id=None,
            issuance_id=None,
            adopted_at=key_request.created_at,
        )
    assert ApiKey.objects.count() == 6
    _, lines, failed = verified()
    assert [line[8:42] for line in lines] == [f"SK{number:032x}" for number in range(5)]
    assert failed == "NOT EXPLAINED: 5 differences, named above."
    assert last("audit.verified").details["unexplained"] == lines[:3]
    assert [notice["kind"] for notice in told if notice["kind"].startswith("alarm.")] == ["alarm.ledger"]
