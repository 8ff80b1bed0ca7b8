"""Entries of the search that were taken out or put in behind the portal's back: `audit_verify --search` finds them."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from keys_app.audit import triggers
from keys_app.audit.ledger import Entry, append, matching
from keys_app.audit.search import index, index_check

from .tampering import fill

POLICY = '{"allow":["/twilio/iam/api-keys/create","/twilio/iam/api-keys/read"]}'


@pytest.fixture
def ledger(transactional_db, monkeypatch):
    monkeypatch.setattr(index_check, "BATCH", 5)
    fill(12)
    with transaction.atomic():
        append(
            Entry("key.issued", "Zoë Ångström", login="zoe", address="2001:db8::1", policy=POLICY, reason="é “x” ＡＢ")
        )


def behind(statement, *values):
    """Run SQL on the entries with their triggers off."""
    taken_off = triggers.drop(connection, index.TABLE)
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        assert cursor.rowcount
    triggers.create(connection, taken_off)


def verify(*options):
    out = StringIO()
    call_command("audit_verify", "--processes", "1", *options, stdout=out)
    return out.getvalue()


def test_a_search_that_is_complete(ledger):
    assert "finds each of them" in verify("--search")
    assert "finds each of them" not in verify()
    assert matching(action="audit.verified").order_by("sequence").first().details["search"] is True


@pytest.mark.parametrize("term", ["actor:zoe", "text:ab", "permission:/twilio/iam/", "address:2001:", "family:key"])
def test_an_event_hidden_from_a_search_is_named(ledger, term, told):
    behind("DELETE FROM audit_eventterm WHERE term = %s AND sequence = 13", term)
    assert verify().startswith("Sound")  # the event itself is
    with pytest.raises(CommandError, match=f"SEARCH NOT COMPLETE. Event 13 is not found by “{term}”"):
        verify("--search")
    assert [notice["kind"] for notice in told] == ["alarm.ledger"]
    event = matching(action="audit.verified").order_by("sequence").last()
    assert (event.details["sound"], event.details["first_bad_event"]) == (False, 13)


def test_an_entry_an_event_does_not_have_is_counted(ledger):
    behind("INSERT INTO audit_eventterm (term, sequence) VALUES ('actor:lena', 3)")
    with pytest.raises(CommandError, match="by 1 more entries than they have"):
        verify("--search")


def test_an_entry_moved_to_another_event_is_found(ledger):
    behind("UPDATE audit_eventterm SET sequence = 4 WHERE term = 'actor:zoe' AND sequence = 13")
    with pytest.raises(CommandError, match="Event 13 is not found by “actor:zoe”"):
        verify("--search")


def test_it_is_made_anew_from_the_events(ledger):
    behind("DELETE FROM audit_eventterm WHERE sequence > 3")
    behind("INSERT INTO audit_eventterm (term, sequence) VALUES ('actor:lena', 3)")
    call_command("audit_rebuild_search", stdout=StringIO())
    assert "finds each of them" in verify("--search")
    assert matching(action="audit.search_rebuilt").count() == 1
    with pytest.raises(DatabaseError, match="append-only"), connection.cursor() as cursor:
        cursor.execute("DELETE FROM audit_eventterm")
