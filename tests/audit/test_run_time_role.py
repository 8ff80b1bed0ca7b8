"""The portal under a role that may only read and append to the ledger."""

import io

import psycopg
import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from keys_app.audit.ledger import matching

from .tampering import fill

ROLE, PASSWORD = "key_portal_test_app", "only-for-this-test"
pytestmark = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="the run-time role; SQLite has no roles, and the file's owner may do all"
)


@pytest.fixture
def as_the_role(live_cast):
    """Connect as the run-time role, which has the rights the command prints; afterwards as the owner again."""
    out = io.StringIO()
    call_command("postgresql_roles", role=ROLE, stdout=out)
    with connection.cursor() as cursor:
        cursor.execute(f"DROP ROLE IF EXISTS {ROLE}")
        cursor.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'")
        cursor.execute(out.getvalue())
    owner = {name: connection.settings_dict[name] for name in ("USER", "PASSWORD")}
    connection.close()
    connection.settings_dict.update(USER=ROLE, PASSWORD=PASSWORD)
    try:
        yield live_cast
    finally:
        connection.close()
        connection.settings_dict.update(owner)
        with connection.cursor() as cursor:
            cursor.execute(f"DROP OWNED BY {ROLE}; DROP ROLE {ROLE}")


def test_the_whole_way_of_a_key_runs_under_it(as_the_role):
    cast = as_the_role
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        assert cursor.fetchone() == (ROLE,)
    key_request, secret = cast.issued()
    sid = key_request.keys.get().pk
    assert secret
    engineer = cast.client("engineer")
    assert engineer.post(f"/keys/{sid}/confirm/").status_code == 302
    assert engineer.post(f"/keys/{sid}/revoke/", {"reason": "Done."}).status_code == 302
    assert cast.client("engineer2").get(f"/keys/{sid}/").status_code == 404
    assert matching(action="key.revoked").exists()
    assert matching(action="access.refused").exists()
    call_command("audit_checkpoint", stdout=io.StringIO())
    call_command("audit_verify", processes=1, stdout=io.StringIO())
    assert matching(action="audit.verified").get().details["sound"] is True
    for role, url in (("security", "/audit/"), ("lead", "/admin/keys_app/keyrequest/"), ("admin", "/admin/")):
        assert cast.client(role).get(url).status_code == 200


@pytest.mark.parametrize("table", ["audit_auditevent", "audit_node", "audit_checkpoint"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {} SET {column} = {column}",
        "DELETE FROM {}",
        "TRUNCATE {}",
        "DROP TABLE {}",
        "ALTER TABLE {} DISABLE TRIGGER ALL",
    ],
)
def test_it_may_not_change_the_ledger(as_the_role, table, statement):
    fill(3)
    column = {"audit_auditevent": "reason", "audit_node": "hash", "audit_checkpoint": "note"}[table]
    with pytest.raises(DatabaseError) as refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement.format(table, column=column))
    assert isinstance(refused.value.__cause__, psycopg.errors.InsufficientPrivilege)
    assert matching().count() == 3
