"""The mark outside the database, and what shows that a database was put back."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from django.core.signals import request_started
from django.db import connection, transaction

from keys_app.audit import ledger
from keys_app.audit.incarnation import advance, check, mark, set_backs
from keys_app.audit.installation import identity
from keys_app.audit.models import SetBack
from keys_app.audit.record import record
from keys_app.core import db_file
from keys_app.core.actor import Actor
from keys_app.core.errors import MarkNotKept
from keys_app.key_requests.models import Issuance
from keys_app.keys import issue
from keys_app.keys.models import ApiKey
from keys_app.permissions.naming import is_marker_of
from tests.cast import secret_in, text_of

SOMEONE = Actor(None, "someone")
sqlite_only = pytest.mark.skipif("connection.vendor != 'sqlite'")


def happens(times=1):
    for _ in range(times):
        with transaction.atomic(durable=True):
            record("test.happened", SOMEONE)


def set_back(monkeypatch, size, leaf="00" * 32):
    """Let the mark be of a ledger that this database is no longer the one of."""
    mark.write(mark.LedgerMark(mark.read().incarnation, mark.read().database, size, leaf))


def test_each_commit_of_an_event_raises_it(transactional_db):
    happens(3)
    kept = mark.read()
    assert (kept.size, kept.leaf) == (3, bytes(ledger.event(3).leaf_hash).hex())
    assert check.current() == kept.incarnation
    happens()
    assert mark.read() == mark.LedgerMark(kept.incarnation, kept.database, 4, bytes(ledger.event(4).leaf_hash).hex())


def test_what_is_rolled_back_does_not_raise_it(transactional_db):
    happens()
    with pytest.raises(ZeroDivisionError), transaction.atomic(durable=True):
        record("test.happened", SOMEONE)
        raise ZeroDivisionError
    with transaction.atomic(durable=True):
        record("test.happened", SOMEONE)
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            record("test.happened", SOMEONE)
            raise ZeroDivisionError
    assert mark.read().size == 2
    assert check.current() == mark.read().incarnation
    assert not set_backs.is_held()


def test_a_ledger_behind_its_mark_is_another_incarnation_and_held(transactional_db, monkeypatch):
    happens(2)
    before = mark.read()
    set_back(monkeypatch, 7)
    after = check.current()
    assert after != before.incarnation
    assert mark.read().size == 3  # with the event that says so
    (proof,) = set_backs.open_set_backs()
    assert proof.proof == f"mark:7:{before.incarnation}"
    assert ledger.last("database.set_back").details["proof"] == proof.proof
    assert [path.name for path in mark._path().parent.glob("mark-*")] == [f"mark-7-{before.incarnation}"]
    assert check.current() == after
    assert SetBack.objects.count() == 1


def test_a_ledger_that_grew_past_its_mark_again_is_found_all_the_same(transactional_db, monkeypatch):
    happens(2)
    set_back(monkeypatch, 3)
    happens(4)
    assert mark.read().size == 3  # none of these commits covered it up
    check.current()
    assert set_backs.is_held()


def test_a_new_identifier_alone_is_another_incarnation_without_a_hold(transactional_db):
    happens(2)
    kept = mark.read()
    mark.write(mark.LedgerMark(kept.incarnation, "sqlite 1 2", kept.size, kept.leaf))
    assert check.current() != kept.incarnation
    assert not set_backs.is_held()


def test_a_mark_that_is_gone_is_another_incarnation_without_a_hold(transactional_db):
    happens()
    before = check.current()
    mark._path().unlink()
    assert check.current() != before
    assert not set_backs.is_held()


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"incarnation": 1}', "\0"])
def test_a_mark_that_cannot_be_read_stops_issuing(live_cast, standin, content):
    key_request = live_cast.approved()
    mark._path().write_text(content)
    answer = live_cast.issue(key_request)
    assert answer.status_code == 503
    assert "The portal's mark in PORTAL_CHECKPOINT_DIR cannot be read" in text_of(answer)
    assert standin.keys() == []
    assert not Issuance.objects.exists()


def test_a_mark_that_cannot_be_written_stops_issuing_before_twilio_is_asked(live_cast, standin, settings, tmp_path):
    key_request, asked = live_cast.approved(), standin.requests()["create"]
    settings.CHECKPOINT_DIR = tmp_path / "a-file"
    settings.CHECKPOINT_DIR.write_text("")
    answer = live_cast.issue(key_request)
    assert answer.status_code == 503
    assert "Nothing was created" in text_of(answer)
    assert standin.requests()["create"] == asked
    assert not Issuance.objects.exists()


def test_an_attempt_whose_mark_cannot_be_written_ends_before_twilio_is_asked(live_cast, standin, monkeypatch):
    key_request, asked = live_cast.approved(), standin.requests()["create"]
    with monkeypatch.context() as patch:
        patch.setattr(advance, "raise_to", refuse)
        answer = live_cast.issue(key_request)
    assert answer.status_code == 503
    assert standin.requests()["create"] == asked
    key_request.refresh_from_db()
    assert (key_request.state, Issuance.objects.get().state) == ("approved", "not_processed")
    assert secret_in(live_cast.issue(key_request))


def refuse(*_):
    raise MarkNotKept("The disk is full.")


def test_no_secret_is_shown_before_the_mark_is_raised_to_its_key(live_cast, standin, monkeypatch):
    key_request = live_cast.approved()
    record_key = issue._record_key

    def record_and_fail(*args):
        recorded = record_key(*args)
        monkeypatch.setattr(advance, "raise_to", refuse)
        return recorded

    monkeypatch.setattr(issue, "_record_key", record_and_fail)
    answer = live_cast.issue(key_request)
    assert (answer.status_code, secret_in(answer)) == (503, "")
    assert "its secret is not shown" in text_of(answer)
    assert ApiKey.objects.get().state == "active"


def test_the_mark_is_of_the_key_when_its_secret_is_shown(live_cast, standin):
    key_request = live_cast.approved()
    assert secret_in(live_cast.issue(key_request))
    issued = ledger.last("key.issued")
    assert (mark.read().size, mark.read().leaf) == (issued.sequence, bytes(issued.leaf_hash).hex())
    assert Issuance.objects.get().incarnation == mark.read().incarnation
    assert is_marker_of(identity(), Issuance.objects.get().marker)


def test_it_finds_a_newer_checkpoint_outside(transactional_db, settings):
    happens(2)
    check.check_newest_checkpoint()
    assert not set_backs.is_held()
    (settings.CHECKPOINT_DIR / "9").write_text("origin\n9\nAAAA\n\n— origin AAAA\n")
    check.check_newest_checkpoint()
    assert [one.proof for one in set_backs.open_set_backs()] == ["checkpoint:9:000000"]


def test_it_finds_a_checkpoint_of_other_events(transactional_db, settings):
    happens(2)
    root = "7" * 42 + "4="
    (settings.CHECKPOINT_DIR / "1").write_text(f"origin\n1\n{root}\n\n— origin AAAA\n")
    check.check_newest_checkpoint()
    assert set_backs.is_held()


@sqlite_only
def test_a_database_file_that_was_replaced_is_opened_anew_when_a_request_starts(transactional_db, tmp_path):
    happens()
    path = Path(connection.settings_dict["NAME"])
    old, copy = db_file.opened(), tmp_path / "copy"
    with sqlite3.connect(path) as source, sqlite3.connect(copy) as target:
        source.backup(target)
    source.close(), target.close()
    for name in ("-wal", "-shm"):
        path.with_name(path.name + name).unlink(missing_ok=True)
    copy.chmod(0o600)  # as the portal makes it, for the tests that come after
    shutil.move(copy, path)
    assert db_file.is_replaced()
    with pytest.raises(MarkNotKept, match="Another file is in the place"):
        advance.raise_mark()
    request_started.send(sender=None)
    assert connection.connection is None
    happens()
    assert db_file.opened() != old
    assert not db_file.is_replaced()
    assert json.loads(mark._path().read_bytes())["size"] == 2
