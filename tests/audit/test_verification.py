"""Every kind of tampering with SQL behind the portal's back, found by the command, the page and the offline file."""

import base64
import contextlib
import re

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from keys_app.audit import offline_verifier, verification
from keys_app.audit.ledger import Entry, append, leaf_hash, matching
from keys_app.audit.merkle import checkpoints, proofs
from keys_app.audit.merkle.signed_note import Checkpoint, SignerKey

from .tampering import fill, sql, unguarded

EVENTS = "audit_auditevent"
SIZE = 20
EDIT = "canonical = replace(canonical, 'reason 6', 'reason X')"


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    """Let 20 events be several batches."""
    monkeypatch.setattr(verification, "BATCH_LEVEL", 2)
    monkeypatch.setattr(verification, "BATCH", 4)


@pytest.fixture
def signed(db):
    """A ledger with checkpoints of 9 and 20 events; the first is kept by somebody."""
    fill(9)
    kept = checkpoints.sign().note
    fill(SIZE - 9)
    checkpoints.sign()
    return kept


def verify(processes=1):
    """Run the command; return the first bad event and what it said, (0, text) if everything is sound."""
    try:
        call_command("audit_verify", processes=processes)
    except CommandError as error:
        match = re.search(r"First bad event: (\d+)", str(error))
        return int(match[1]) if match else -1, str(error)
    return 0, ""


def rewrite(number, **changes):
    """Change an event so that its hash fits its content again; the tree is as it was."""
    canonical = matching().get(sequence=number).canonical
    for old, new in changes.values():
        assert old in canonical
        canonical = canonical.replace(old, new)
    statement = f"UPDATE {EVENTS} SET canonical = %s, leaf_hash = %s WHERE sequence = %s"
    sql(statement, canonical, leaf_hash(canonical.encode()), number)


def edit_content():
    sql(f"UPDATE {EVENTS} SET {EDIT} WHERE sequence = 7")


def edit_column():
    sql(f"UPDATE {EVENTS} SET actor_name = 'nobody' WHERE sequence = 7")


def edit_time():
    sql(f"UPDATE {EVENTS} SET time = '2020-01-01 00:00:00' WHERE sequence = 7")


def edit_hash():
    sql(f"UPDATE {EVENTS} SET leaf_hash = %s WHERE sequence = 7", b"x" * 32)


def edit_content_and_hash():
    sql(f"UPDATE {EVENTS} SET reason = 'reason X' WHERE sequence = 7")
    rewrite(7, reason=("reason 6", "reason X"))


def remove():
    sql(f"DELETE FROM {EVENTS} WHERE sequence = 7")


def remove_the_last():
    sql(f"DELETE FROM {EVENTS} WHERE sequence = {SIZE}")


def remove_the_first():
    sql(f"DELETE FROM {EVENTS} WHERE sequence = 1")


def close_the_gap():
    remove()
    with unguarded(), connection.cursor() as cursor:
        for number in range(8, SIZE + 1):
            cursor.execute(f"UPDATE {EVENTS} SET sequence = {number - 1} WHERE sequence = {number}")


def insert():
    names = [field.column for field in matching().model._meta.fields]
    others = ", ".join(name for name in names if name != "sequence")
    with unguarded(), connection.cursor() as cursor:
        for number in range(SIZE, 6, -1):
            cursor.execute(f"UPDATE {EVENTS} SET sequence = {number + 1} WHERE sequence = {number}")
        cursor.execute(f"INSERT INTO {EVENTS} (sequence, {others}) SELECT 7, {others} FROM {EVENTS} WHERE sequence = 6")


def reorder():
    with unguarded(), connection.cursor() as cursor:
        for old, new in ((7, 1000), (8, 7), (1000, 8)):
            cursor.execute(f"UPDATE {EVENTS} SET sequence = {new} WHERE sequence = {old}")


def truncate():
    """Cut off the end, with its nodes and checkpoints, as if it had never been; the directory still knows."""
    with unguarded(), connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {EVENTS} WHERE sequence > 13")
        cursor.execute("DELETE FROM audit_checkpoint WHERE size > 13")
        for level in range(1, 6):
            cursor.execute("DELETE FROM audit_node WHERE level = %s AND position >= %s", [level, 13 >> level])


def replace_history():
    """Make every event and node anew, and keep the old checkpoints: they cannot be signed again without the key."""
    with unguarded(), connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {EVENTS}")
        cursor.execute("DELETE FROM audit_node")
    fill(SIZE, "test.other")


def edit_node():
    sql("UPDATE audit_node SET hash = %s WHERE level = 1 AND position = 3", b"x" * 32)


# What is done, and the first event the command names: exactly, or the first of those it can be.
TAMPERINGS = {
    edit_content: 7,
    edit_column: 7,
    edit_time: 7,
    edit_hash: 7,
    edit_content_and_hash: 7,
    remove: 7,
    remove_the_last: SIZE,
    remove_the_first: 1,
    close_the_gap: 7,
    insert: 7,
    reorder: 7,
    truncate: 14,
    replace_history: 1,
    edit_node: 7,
}
NOT_EXPORTED = {"whole": (edit_column, edit_time, edit_node), "filtered": (edit_column, edit_time)}
"""An export has what is hashed, not the columns that repeat it for search; and nodes only where it has proofs."""
IN_EXPORTS = [(kind, one) for kind, left_out in NOT_EXPORTED.items() for one in TAMPERINGS if one not in left_out]


def test_a_sound_ledger_is_sound(signed, capsys):
    assert verify() == (0, "")
    assert "Sound: 20 events, 4 checkpoints" in capsys.readouterr().out
    event = matching(action="audit.verified").get()
    assert event.details["sound"] is True
    assert event.details["events"] == SIZE
    assert verify() == (0, "")


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 8, 16, 17])
def test_a_ledger_of_any_size_is_sound(db, size):
    fill(size)
    checkpoints.sign()
    assert verify() == (0, "")


@pytest.mark.parametrize("tampering", TAMPERINGS, ids=lambda function: function.__name__)
def test_the_command_finds_it_and_names_the_first_bad_event(signed, tampering):
    tampering()
    event, said = verify()
    assert event == TAMPERINGS[tampering], said
    assert said.startswith("NOT SOUND")


@pytest.mark.parametrize(("kind", "tampering"), IN_EXPORTS, ids=lambda value: getattr(value, "__name__", value))
def test_the_offline_file_finds_it(signed, kind, tampering, tmp_path, capsys):
    tampering()
    path, kept = tmp_path / "export.jsonl", tmp_path / "kept"
    kept.write_text(signed)
    filters = ["--action", "test."] if kind == "filtered" else []
    with contextlib.suppress(CommandError):  # the portal may notice by itself, and exports all the same
        call_command("audit_export", *filters, "--output", str(path))
    key = str(checkpoints.signer().verifier)
    assert offline_verifier.main([str(path), "--key", key, "--checkpoint", str(kept)]) == 1
    assert capsys.readouterr().err.startswith("NOT OK: ")


@pytest.mark.parametrize("tampering", TAMPERINGS, ids=lambda function: function.__name__)
def test_the_page_finds_it_and_names_the_first_bad_event(cast, signed, tampering):
    client = cast.client("security")
    tampering()
    answer = client.post("/audit/verify/")
    page = b"".join(answer.streaming_content).decode()
    assert answer.status_code == 200
    assert f"First bad event: {TAMPERINGS[tampering]}." in page
    assert page.rstrip().endswith("</html>")


def forged_checkpoint():
    note = SignerKey("127.0.0.1/audit", b"f" * 32).sign(Checkpoint("127.0.0.1/audit", 9, b"r" * 32).text)
    sql("UPDATE audit_checkpoint SET note = %s WHERE size = 9", note)


def checkpoint_column():
    sql("UPDATE audit_checkpoint SET root = %s WHERE size = 9", b"x" * 32)


def checkpoint_number():
    sql("UPDATE audit_checkpoint SET size = 11 WHERE size = 9")


def checkpoint_file():
    (settings.CHECKPOINT_DIR / "9").write_text("something")


def checkpoint_of_another():
    (settings.CHECKPOINT_DIR / "11").write_text((settings.CHECKPOINT_DIR / "9").read_text())


@pytest.mark.parametrize(
    "tampering", [forged_checkpoint, checkpoint_column, checkpoint_number, checkpoint_file, checkpoint_of_another]
)
def test_a_changed_checkpoint_is_found(signed, tampering):
    tampering()
    event, said = verify()
    assert event in (1, 10)
    assert "checkpoint of" in said


def test_a_lost_checkpoint_is_no_fault_of_the_ledger(signed):
    sql("DELETE FROM audit_checkpoint WHERE size = 9")
    assert verify() == (0, "")


def test_it_needs_the_verifier_keys_of_all_checkpoints(signed, settings):
    old = str(checkpoints.signer().verifier)
    settings.AUDIT_SIGNING_KEY = base64.b64encode(b"n" * 32).decode()
    assert "no key that is known signed this" in verify()[1]
    settings.AUDIT_OLD_VERIFIER_KEYS = [old]
    assert verify() == (0, "")
    fill(1)
    checkpoints.sign()
    assert verify() == (0, "")


def test_a_key_that_was_taken_over_from_does_not_come_back(signed, settings):
    old = checkpoints.signer()
    settings.AUDIT_OLD_VERIFIER_KEYS = [str(old.verifier)]
    settings.AUDIT_SIGNING_KEY = base64.b64encode(b"n" * 32).decode()
    fill(2)
    checkpoints.sign()
    fill(2)
    head = Checkpoint(old.verifier.name, proofs.size(), proofs.root_at(proofs.size()))
    (settings.CHECKPOINT_DIR / str(head.size)).write_text(old.sign(head.text))
    assert "another one had taken over from" in verify()[1]


def test_odd_text_in_every_column_is_no_fault(db):
    odd = 'a"b\\c\n\t\x01\u2028\U0001f600é'
    with transaction.atomic():
        append(Entry(*[odd] * 9, details={odd: [odd, 0.1, 1e21, -0.0, 5e-324]}))  # type: ignore[arg-type]
    fill(3)
    assert verify() == (0, "")


def test_several_processes_find_the_same(transactional_db, capsys):
    fill(SIZE)
    checkpoints.sign()
    assert verify(processes=3) == (0, "")
    assert f"Sound: {SIZE} events" in capsys.readouterr().out
    edit_content()
    assert verify(processes=3)[0] == 7


def test_a_ledger_nobody_signed_is_said_to_be_one(db, capsys):
    fill(3)
    assert verify() == (0, "")
    assert "Nothing was signed yet" in capsys.readouterr().out


def test_what_is_appended_while_it_runs_is_no_fault(signed):
    found = verification.Verification()
    for _ in found.run():
        fill(1)
        checkpoints.sign()
    assert (found.fault, found.size) == (None, SIZE)


def test_a_fault_is_recorded_and_an_alarm_is_raised(signed, caplog):
    edit_content()
    verify()
    event = matching(action="audit.verified").get()
    assert (event.details["sound"], event.details["first_bad_event"]) == (False, 7)
    assert "The audit ledger is not sound: Event 7 was changed" in caplog.text
