"""The portal under a role that may only read and append to the ledger."""

import contextlib
import io

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.db import DatabaseError, connection, transaction

from keys_app.audit.ledger import matching
from keys_app.notifications.models import Trouble

from .tampering import fill

ROLE, PASSWORD = "key_portal_test_app", "only-for-this-test"
OWNER = {name: connection.settings_dict[name] for name in ("USER", "PASSWORD")}
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
    try:
        with signed_in(ROLE, PASSWORD):
            yield live_cast
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"REASSIGN OWNED BY {ROLE} TO CURRENT_USER; DROP OWNED BY {ROLE}; DROP ROLE {ROLE}")


@contextlib.contextmanager
def signed_in(role, password):
    """Connect as another role for a while."""
    before = {name: connection.settings_dict[name] for name in ("USER", "PASSWORD")}
    connection.close()
    connection.settings_dict.update(USER=role, PASSWORD=password)
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.update(before)


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


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TEMPORARY TABLE audit_auditevent (a int)",
        "CREATE TABLE audit_hidden (a int)",
        "CREATE SCHEMA {role}",
        "DELETE FROM keys_app_approval",
        "DELETE FROM keys_app_narrowing",
    ],
)
def test_it_hides_no_table_and_deletes_no_decision(as_the_role, statement):
    with pytest.raises(DatabaseError) as refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement.format(role=ROLE))
    assert isinstance(refused.value.__cause__, psycopg.errors.InsufficientPrivilege)


# What its owner, or a superuser, gave it, what takes it away, and what is said of it.
TOO_MUCH = {
    "superuser": (f"ALTER ROLE {ROLE} SUPERUSER", f"ALTER ROLE {ROLE} NOSUPERUSER", "it is a superuser"),
    "roles": (f"ALTER ROLE {ROLE} CREATEROLE", f"ALTER ROLE {ROLE} NOCREATEROLE", "it may create roles"),
    "update": (
        f"GRANT UPDATE (reason) ON audit_auditevent TO {ROLE}",
        f"REVOKE UPDATE (reason) ON audit_auditevent FROM {ROLE}",
        "it has UPDATE on audit_auditevent",
    ),
    "delete": (
        f"GRANT DELETE, TRUNCATE ON audit_checkpoint TO {ROLE}",
        f"REVOKE DELETE, TRUNCATE ON audit_checkpoint FROM {ROLE}",
        "it has DELETE and TRUNCATE on audit_checkpoint",
    ),
    "writes all": (
        f"GRANT pg_write_all_data TO {ROLE}; ALTER ROLE {ROLE} NOINHERIT",
        f"REVOKE pg_write_all_data FROM {ROLE}; ALTER ROLE {ROLE} INHERIT",
        "it has DELETE and UPDATE on audit_auditevent",
    ),
    "schema": (
        f"GRANT CREATE ON SCHEMA public TO {ROLE}",
        f"REVOKE CREATE ON SCHEMA public FROM {ROLE}",
        "it may create tables in the portal’s schema",
    ),
    "may be the owner": (
        f"GRANT {OWNER['USER']} TO {ROLE}",
        f"REVOKE {OWNER['USER']} FROM {ROLE}",
        "it is a superuser",
    ),
    "owns one": (
        f"ALTER TABLE audit_node OWNER TO {ROLE}",
        f"ALTER TABLE audit_node OWNER TO CURRENT_USER; GRANT SELECT, INSERT ON audit_node TO {ROLE}",
        "it owns tables and has",
    ),
}


def said_by(command):
    out = io.StringIO()
    try:
        call_command(command, **({"processes": 1} if command == "audit_verify" else {}), stdout=out, stderr=out)
    except (CommandError, SystemCheckError) as error:
        return f"FAILED {error}"
    return out.getvalue()


def test_it_is_said_when_it_may_do_more(as_the_role, told):
    """Security is told of each right too many once, and that it is over. What another role sees ends nothing."""
    fill(3)
    checks = ("audit_verify", "check")
    assert [one for command in checks for one in ("FAILED", "NOTE", "W005", "role") if one in said_by(command)] == []
    owner = {"role": OWNER["USER"], "password": OWNER["PASSWORD"]}
    for give, take, words in TOO_MUCH.values():
        told.clear()
        with signed_in(**owner), connection.cursor() as cursor:
            cursor.execute(give)
        for command in checks:
            assert said_by(command).startswith("FAILED"), give
            assert words in said_by(command)
        (alarm,) = [notice for notice in told if "unguarded" in notice["kind"]]
        assert words in alarm["text"]
        with signed_in(**owner):
            said_by("audit_verify")
            assert Trouble.objects.filter(ended_at=None, key=f"unguarded:role {ROLE}").exists()
            with connection.cursor() as cursor:
                cursor.execute(take)
        assert "NOT GUARDED" not in said_by("audit_verify")
        assert told[-1]["title"] == "Over: The database role may do too much"
