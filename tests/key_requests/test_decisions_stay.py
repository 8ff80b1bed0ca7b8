"""What was decided is never deleted, and no temporary table hides a table that a trigger reads."""

import pytest
from django.db import DatabaseError, connection, transaction

from keys_app.audit import guards
from keys_app.audit.ledger import matching
from keys_app.key_requests.decision_models import Approval, Narrowing
from keys_app.key_requests.models import KeyRequest
from tests.cast import MAKE_KEYS, READ_MESSAGES

BY_DATABASE = {
    "sqlite": ["DELETE FROM {}"],
    "postgresql": [
        "DELETE FROM {}",
        "SET CONSTRAINTS ALL IMMEDIATE; TRUNCATE {} CASCADE",
        "SET LOCAL session_replication_role = replica; DELETE FROM {}",
    ],
}
TABLES = ["keys_app_approval", "keys_app_narrowing"]


def run(*statements):
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.mark.parametrize("table", TABLES)
def test_a_decision_is_not_deleted(cast, table):
    key_request = cast.ask(permissions=READ_MESSAGES)
    cast.narrow("lead", key_request, READ_MESSAGES[:1])
    before = [Approval.objects.count(), Narrowing.objects.count()]
    assert before == [1, 1]
    for statement in BY_DATABASE[connection.vendor]:
        with pytest.raises(DatabaseError, match="a decision is never deleted"):
            run(statement.format(table))
    for model in (Approval, Narrowing):
        with pytest.raises(DatabaseError, match="a decision is never deleted"), transaction.atomic():
            model.objects.all().delete()
    assert before == [Approval.objects.count(), Narrowing.objects.count()]


def temporary(table):
    """Return the statement that makes an empty temporary table like the portal's."""
    if connection.vendor == "postgresql":
        return f"CREATE TEMPORARY TABLE {table} (LIKE public.{table})"
    return f"CREATE TEMPORARY TABLE {table} AS SELECT * FROM main.{table} WHERE 0"


def test_approvals_of_a_temporary_table_count_nothing(cast):
    """One critical request has its approvals; another one is to get copies of them."""
    approved = cast.ask(permissions=MAKE_KEYS)
    assert cast.decide("lead", approved, "approve").status_code == 302
    assert cast.decide("security", approved, "approve").status_code == 302
    waiting = cast.ask(permissions=MAKE_KEYS)
    own = {"sqlite": "main", "postgresql": "public"}[connection.vendor]
    digest = waiting.content_digest
    run(
        temporary("keys_app_approval"),
        f"INSERT INTO keys_app_approval SELECT * FROM {own}.keys_app_approval",
        f"UPDATE keys_app_approval SET content_digest = '{digest}', request_id = "
        f"(SELECT id FROM {own}.keys_app_keyrequest WHERE content_digest = '{digest}' AND state = 'pending')",
    )
    assert waiting.approvals.count() == 2  # this is what the session sees, and what the trigger must not
    with pytest.raises(DatabaseError, match="approvals this request needs are missing"):
        run("UPDATE keys_app_keyrequest SET state = 'approved', approved_at = created_at WHERE state = 'pending'")
    assert KeyRequest.objects.get(pk=waiting.pk).state == "pending"
    assert [words for words in guards.problems() if "keys_app_approval may not be the portal’s own" in words]


def test_a_temporary_table_does_not_say_which_event_is_next(cast):
    cast.ask()
    table = {"sqlite": "main", "postgresql": "public"}[connection.vendor] + ".audit_auditevent"
    columns = ", ".join(field.column for field in matching().model._meta.fields)
    copied = columns.replace("sequence", "sequence + 7", 1)
    run(
        temporary("audit_auditevent"),
        f"INSERT INTO audit_auditevent ({columns}) SELECT {columns.replace('sequence', 'sequence + 6', 1)} "
        f"FROM {table} WHERE sequence = 1",
    )
    with pytest.raises(DatabaseError, match="the next number was expected"):
        run(f"INSERT INTO {table} ({columns}) SELECT {copied} FROM {table} WHERE sequence = 1")
