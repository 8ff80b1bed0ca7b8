"""Checkpoints: signed, kept in two places, and never of a head that does not extend the last one."""

import base64

import pytest
from django.core.management import CommandError, call_command

from keys_app.audit.ledger import matching
from keys_app.audit.merkle import checkpoints, proofs
from keys_app.audit.merkle.signed_note import SignerKey, open_checkpoint
from keys_app.core.errors import CheckpointNotKept, HistoryReplaced, NotConfigured

from .tampering import fill, sql, unguarded

EDIT = "UPDATE audit_auditevent SET canonical = replace(canonical, 'reason 2', 'reason X') WHERE sequence = %s"


def files(settings):
    return {int(path.name): path.read_text() for path in settings.CHECKPOINT_DIR.iterdir()}


def opened(note):
    return open_checkpoint(note, checkpoints.verifier_keys())[0]


def rotate(settings, seed=b"2" * 32, *, keep=True):
    """Change the signing key; keep the old one's verifier key or lose it."""
    if keep:
        settings.AUDIT_OLD_VERIFIER_KEYS = [*settings.AUDIT_OLD_VERIFIER_KEYS, str(checkpoints.signer().verifier)]
    settings.AUDIT_SIGNING_KEY = base64.b64encode(seed).decode()


def test_it_signs_the_head_into_database_and_directory(db, settings):
    fill(5)
    signed = checkpoints.sign()
    assert signed.new
    assert opened(signed.note).size == 5
    assert opened(signed.note).root == proofs.root_at(5)
    assert checkpoints.latest().note == signed.note
    assert files(settings) == {5: signed.note}


def test_it_signs_growing_heads_and_no_head_twice(db, settings):
    for size in (0, 1, 2, 5, 6):
        fill(size - proofs.size())
        assert checkpoints.sign().new
        again = checkpoints.sign()
        assert (again.new, again.size) == (False, size)
    assert sorted(files(settings)) == [0, 1, 2, 5, 6]


@pytest.mark.parametrize("place", ["database", "directory"])
def test_it_brings_a_lost_checkpoint_back_from_the_other_place(db, settings, place):
    fill(3)
    note = checkpoints.sign().note
    if place == "database":
        sql("DELETE FROM audit_checkpoint")
    else:
        (settings.CHECKPOINT_DIR / "3").unlink()
    assert checkpoints.sign().note == note
    assert checkpoints.latest().note == note
    assert files(settings) == {3: note}


def test_it_refuses_an_edited_event_since_the_last_checkpoint(db):
    fill(5)
    sql(EDIT, 3)
    with pytest.raises(HistoryReplaced, match="Event 3 was changed"):
        checkpoints.sign()


def test_it_refuses_a_tree_that_is_not_that_of_its_events(db):
    fill(5)
    sql("UPDATE audit_node SET hash = %s WHERE level = 2", b"x" * 32)
    with pytest.raises(HistoryReplaced, match="stored tree over the events 1 to 5"):
        checkpoints.sign()


def test_it_refuses_an_event_that_is_missing(db):
    fill(5)
    sql("DELETE FROM audit_auditevent WHERE sequence = 2")
    with pytest.raises(HistoryReplaced, match=r"damaged|missing"):
        checkpoints.sign()


def test_it_refuses_another_history_of_the_same_length(db):
    """Every event and every node is made anew, so that nothing in the database disagrees, but it was signed."""
    fill(5)
    checkpoints.sign()
    with unguarded():
        empty_the_ledger()
    fill(9, "test.other")
    for lost in (None, "database"):
        if lost:
            sql("DELETE FROM audit_checkpoint")
        with pytest.raises(HistoryReplaced, match="first 5 events are not those"):
            checkpoints.sign()


def empty_the_ledger():
    from django.db import connection

    with connection.cursor() as cursor:
        for table in ("audit_auditevent", "audit_node"):
            cursor.execute(f"DELETE FROM {table}")


@pytest.mark.parametrize("lost", ["", "database"])
def test_it_refuses_a_history_that_was_cut_off(db, lost):
    fill(5)
    checkpoints.sign()
    sql("DELETE FROM audit_auditevent WHERE sequence > 3")
    sql("DELETE FROM audit_node WHERE level > 1 OR position > 0")
    if lost:
        sql("DELETE FROM audit_checkpoint")
    with pytest.raises(HistoryReplaced, match="of 5 events, but the ledger has only 3"):
        checkpoints.sign()


@pytest.mark.parametrize("text", ["", "nonsense", "portal\n5\n\n— a b\n"])
def test_it_refuses_to_go_on_from_a_checkpoint_it_cannot_read(db, settings, text):
    fill(5)
    checkpoints.sign()
    fill(2)
    (settings.CHECKPOINT_DIR / "5").write_text(text)
    with pytest.raises(HistoryReplaced, match="does not count"):
        checkpoints.sign()


def test_it_refuses_a_checkpoint_somebody_else_signed(db, settings):
    fill(5)
    checkpoints.sign()
    forged = SignerKey(settings.AUDIT_ORIGIN, b"f" * 32).sign(opened(checkpoints.latest().note).text)
    sql("UPDATE audit_checkpoint SET note = %s", forged)
    fill(1)
    with pytest.raises(HistoryReplaced, match="no key that is known signed this"):
        checkpoints.sign()


def test_it_refuses_a_checkpoint_under_another_number(db, settings):
    fill(5)
    note = checkpoints.sign().note
    (settings.CHECKPOINT_DIR / "6").write_text(note)
    fill(3)
    with pytest.raises(HistoryReplaced, match="for 6 events is one of 5"):
        checkpoints.sign()


def test_other_files_in_the_directory_do_not_matter(db, settings):
    fill(2)
    checkpoints.sign()
    for name in ("README", "007", ".new-x", "-3", "٣"):
        (settings.CHECKPOINT_DIR / name).write_text("something")
    fill(1)
    assert checkpoints.sign().size == 3


def test_a_new_key_goes_on_from_what_the_old_one_signed(db, settings):
    fill(3)
    old = checkpoints.sign()
    rotate(settings)
    fill(2)
    new = checkpoints.sign()
    assert new.new
    assert new.key != old.key
    assert open_checkpoint(old.note, checkpoints.verifier_keys())[0].size == 3


def test_without_the_old_verifier_key_it_says_what_to_do(db, settings):
    fill(3)
    checkpoints.sign()
    rotate(settings, keep=False)
    fill(2)
    with pytest.raises(HistoryReplaced, match="add the old verifier key to PORTAL_AUDIT_OLD_VERIFIER_KEYS"):
        checkpoints.sign()


def test_a_retired_key_does_not_sign_again(db, settings):
    first = settings.AUDIT_SIGNING_KEY
    for key in (None, b"2" * 32):
        if key:
            rotate(settings, key)
        fill(2)
        checkpoints.sign()
    settings.AUDIT_OLD_VERIFIER_KEYS.append(str(checkpoints.signer().verifier))
    settings.AUDIT_SIGNING_KEY = first
    fill(1)
    with pytest.raises(NotConfigured, match="another one took over"):
        checkpoints.sign()


def test_without_a_key_it_says_which_setting_is_missing(db, settings):
    settings.AUDIT_SIGNING_KEY = ""
    for arguments in ([], ["--verifier-key"]):
        with pytest.raises(CommandError, match="set PORTAL_AUDIT_SIGNING_KEY"):
            call_command("audit_checkpoint", *arguments)


def test_a_checkpoint_that_cannot_be_written_is_written_by_the_next_run(db, settings, monkeypatch):
    def full(number):
        raise OSError(28, "No space left on device")

    fill(2)
    with monkeypatch.context() as disk:
        disk.setattr("os.fsync", full)
        with pytest.raises(CheckpointNotKept, match=r"2 events cannot be written.*No space"):
            checkpoints.sign()
    assert files(settings) == {}
    assert not checkpoints.sign().new
    assert sorted(files(settings)) == [2]


def test_nothing_is_signed_past_a_directory_that_cannot_be_read(db, settings, tmp_path):
    fill(2)
    (tmp_path / "file").write_text("")
    settings.CHECKPOINT_DIR = tmp_path / "file" / "inside"
    with pytest.raises(CheckpointNotKept, match="PORTAL_CHECKPOINT_DIR cannot be read"):
        checkpoints.sign()
    assert checkpoints.latest() is None


def test_the_command_signs_prints_the_note_and_the_key(db, settings, capsys):
    fill(4)
    call_command("audit_checkpoint")
    note = capsys.readouterr().out
    assert opened(note).size == 4
    call_command("audit_checkpoint", "--verifier-key")
    assert capsys.readouterr().out == f"{checkpoints.signer().verifier}\n"
    assert len(files(settings)) == 1
    assert matching().count() == 4


def test_the_command_fails_and_raises_an_alarm_when_history_was_replaced(db, caplog):
    fill(4)
    call_command("audit_checkpoint")
    sql("UPDATE audit_checkpoint SET size = 9")
    with pytest.raises(CommandError, match="for 9 events is one of 4"):
        call_command("audit_checkpoint")
    assert "does not extend its last checkpoint" in caplog.text
