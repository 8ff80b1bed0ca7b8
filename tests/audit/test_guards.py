"""What guards the database: the verification, `manage.py check` and an alarm say what of it is missing."""

import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from keys_app.audit import guards, triggers
from keys_app.audit.ledger import last
from keys_app.notifications import troubles
from keys_app.notifications.models import Trouble
from keys_app.reconcile.run import reconcile

from .tampering import fill

EMPTY = "CREATE TRIGGER audit_node_no_update BEFORE UPDATE ON audit_node BEGIN SELECT 1; END"
HARMLESS = "RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN COALESCE(NEW, OLD); END $$"
DELETE_ALONE = "BEFORE DELETE ON audit_auditevent FOR EACH ROW EXECUTE FUNCTION audit_refuse()"
# What an owner of the tables runs, and what is said of it.
ATTACKS = {
    "sqlite": {
        "dropped": (["DROP TRIGGER audit_no_update"], "audit_no_update of audit_auditevent is gone"),
        "a rule": (["DROP TRIGGER approval_fixed"], "approval_fixed of keys_app_approval is gone"),
        "emptied": (["DROP TRIGGER audit_node_no_update", EMPTY], "audit_node_no_update of audit_node was replaced"),
        "added": (
            ["CREATE TRIGGER quiet AFTER INSERT ON audit_auditevent BEGIN SELECT 1; END"],
            "quiet of audit_auditevent is none that a migration made",
        ),
        "hidden": (
            ["CREATE TEMP TABLE audit_auditevent AS SELECT * FROM main.audit_auditevent"],
            "audit_auditevent may not be the portal’s own: there is one among the temporary ones",
        ),
        "temporary": (
            ["CREATE TEMP TRIGGER other AFTER INSERT ON main.audit_node BEGIN SELECT 1; END"],
            "other may not be the portal’s own: there is one among the temporary ones",
        ),
    },
    "postgresql": {
        "dropped": (["DROP TRIGGER audit_no_change ON audit_auditevent"], "no_change of audit_auditevent is gone"),
        "a rule": (["DROP TRIGGER approval_fixed ON keys_app_approval"], "approval_fixed of keys_app_approval is gone"),
        "emptied": (
            [f"CREATE OR REPLACE FUNCTION audit_refuse() {HARMLESS}"],
            "audit_node_no_change of audit_node was replaced",
        ),
        "narrowed": (
            ["DROP TRIGGER audit_no_change ON audit_auditevent", f"CREATE TRIGGER audit_no_change {DELETE_ALONE}"],
            "audit_no_change of audit_auditevent was replaced",
        ),
        "off": (["ALTER TABLE audit_node DISABLE TRIGGER USER"], "audit_node_no_change of audit_node is switched off."),
        "replicas": (
            ["ALTER TABLE audit_node ENABLE TRIGGER audit_node_no_change"],
            "audit_node_no_change of audit_node is switched off for replicas",
        ),
        "added": (
            [f"CREATE TRIGGER quiet {DELETE_ALONE}"],
            "quiet of audit_auditevent is none that a migration made",
        ),
        "replica": (["SET session_replication_role = replica"], "session_replication_role switches triggers off"),
        "rewritten": (
            ["CREATE RULE none AS ON INSERT TO audit_eventterm DO INSTEAD NOTHING"],
            "audit_eventterm is not as it was made: a rule",
        ),
        "row security": (["ALTER TABLE audit_node ENABLE ROW LEVEL SECURITY"], "audit_node is not as it was made: row"),
        "hidden": (
            ["CREATE TEMP TABLE audit_auditevent (LIKE audit_auditevent)"],
            "audit_auditevent may not be the portal’s own: there is one in pg_temp_",
        ),
        "another schema": (
            ["CREATE SCHEMA a", "CREATE TABLE a.audit_node (LIKE audit_node)", "SET search_path = a, public"],
            "audit_node may not be the portal’s own: there is one in a and public",
        ),
    },
}[connection.vendor]


def run(statements):
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def said_by(command):
    """Return what a command says to standard output, and to standard error when it fails."""
    out = io.StringIO()
    try:
        call_command(command, **({"processes": 1} if command == "audit_verify" else {}), stdout=out, stderr=out)
    except (CommandError, SystemCheckError) as error:
        return out.getvalue(), str(error)
    return out.getvalue(), ""


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_commands_name_it(db, attack):
    fill(3)
    assert [said_by(command)[1] for command in ("audit_verify", "check")] == ["", ""]
    statements, words = ATTACKS[attack]
    run(statements)
    _, verified = said_by("audit_verify")
    assert verified.startswith("NOT GUARDED" if attack not in {"hidden", "another schema"} else "NOT ")
    assert words in verified
    assert words in said_by("check")[1]


def test_the_page_says_so_and_keeps_it(cast):
    client = cast.client("security")
    triggers.drop(connection)
    body = b"".join(client.post("/audit/verify/").streaming_content).decode()
    assert "Not guarded" in body
    assert ">Sound<" not in body
    assert "audit_next_number of audit_auditevent is gone" in body
    assert last("audit.verified").details["sound"] is False
    page = client.get("/audit/verify/").content.decode()
    assert "Not guarded" in page
    assert "audit_next_number of audit_auditevent is gone" in page
    assert "First bad event" not in page


def test_security_is_told_once_reminded_daily_and_told_when_it_is_back(cast, told):
    taken_off = triggers.drop(connection, "audit_node")
    for _ in range(2):
        reconcile()
        said_by("audit_verify")
    assert [notice["kind"] for notice in told if "unguarded" in notice["kind"]] == ["alarm.unguarded"]
    assert "audit_node_next_number of audit_node is gone" in told[0]["text"]
    assert last("trouble.began").details["trouble"] == "unguarded:triggers"
    Trouble.objects.update(told_at=timezone.now() - timedelta(days=1, minutes=1))
    troubles.remind()
    assert told[-1]["title"] == "Still: The database is not guarded as it should be"
    triggers.create(connection, taken_off)
    reconcile()
    assert told[-1]["title"] == "Over: The database is not guarded as it should be"
    assert said_by("audit_verify")[1] == ""


def test_a_database_that_is_not_of_this_version_is_not_held_to_it(db):
    """Before `migrate`, what a migration makes is not missing; after a later version's, what it made is not foreign."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    recorder = MigrationRecorder(connection)
    triggers.drop(connection, "audit_node", "audit_auditevent", "audit_checkpoint", "audit_eventterm")
    assert len(guards.problems()) > 5
    recorder.record_unapplied("audit", "0002_append_only")
    assert guards.problems() == []
    recorder.record_applied("audit", "0099_later")
    run(ATTACKS["added"][0])
    assert guards.problems() == []


def test_one_role_that_does_everything_is_a_remark(db):
    """The tests' role owns the tables, as in a small installation. SQLite has no roles."""
    fill(1)
    words = "owns the portal’s tables" if connection.vendor == "postgresql" else ""
    said, failed = said_by("audit_verify")
    assert (words in said, failed) == (True, "")
    said, failed = said_by("check")
    assert (words in said, failed) == (True, "")
    assert ("portal.W005" in said, "NOTE" in said_by("audit_verify")[0]) == (bool(words), bool(words))
