"""After a loss the ledger is taken up again, and every verifier names the seam."""

import json
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from keys_app.audit.export import jsonl
from keys_app.audit.incarnation import check
from keys_app.audit.ledger import Entry, append, matching
from keys_app.audit.merkle import checkpoints, parts
from keys_app.audit.merkle.signed_note import SignerKey, VerifierKey
from keys_app.audit.models import Installation, SetBack
from keys_app.core.errors import HistoryReplaced, NotConfigured
from tests.cast import text_of

from .tampering import fill, set_back, sql
from .test_checkpoints import rotate
from .test_export import verdict

REASON = "The disk of Monday failed"


@pytest.fixture
def lost(db, settings):
    """A ledger set back from 15 events to 9, which has grown to 12. Checkpoints of 9, 13 and 15 are outside."""
    for count in (9, 4, 2):
        fill(count)
        checkpoints.sign()
    set_back(9)
    fill(3, "test.after")


def recover(reason=REASON, capsys=None):
    call_command("audit_recover", reason=reason)
    return capsys.readouterr().out if capsys else ""


def refused(reason=REASON):
    with pytest.raises(CommandError) as error:
        call_command("audit_recover", reason=reason)
    assert not matching(action="audit.recovered").exists()
    return str(error.value)


def verified(capsys):
    call_command("audit_verify", processes=1)
    return capsys.readouterr().out


def not_sound():
    with pytest.raises(CommandError) as error:
        call_command("audit_verify", processes=1)
    return str(error.value)


def outside(settings):
    root = settings.CHECKPOINT_DIR
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.name.isdecimal() and path.is_file()}


def test_the_next_part_is_signed_and_what_was_lost_is_in_the_ledger(lost, settings, capsys):
    with pytest.raises(HistoryReplaced):
        checkpoints.sign()
    before = {name: (settings.CHECKPOINT_DIR / name).read_text() for name in outside(settings)}
    said = recover(capsys=capsys)
    assert "Abandoned: the checkpoint of 13 events" in said and "Abandoned: the checkpoint of 15 events" in said
    event = matching(action="audit.recovered").get()
    assert (event.sequence, event.reason) == (14, REASON)
    assert event.details["abandoned"] == [{"part": 1, "size": size, "note": before[str(size)]} for size in (13, 15)]
    assert event.details["origin"] == f"{settings.AUDIT_ORIGIN}/2"
    assert Installation.objects.get().ledger_part == 2
    signed = checkpoints.latest()
    assert (signed.size, signed.note.split("\n")[0]) == (14, f"{settings.AUDIT_ORIGIN}/2")
    assert outside(settings) == {"9", "13", "15", f"{settings.AUDIT_ORIGIN}/2/14"}
    assert before == {name: (settings.CHECKPOINT_DIR / name).read_text() for name in before}
    fill(20)
    assert checkpoints.sign().size == 34


def test_audit_verify_accepts_both_parts_and_names_the_seam(lost, capsys):
    assert "Event 13 is missing: a checkpoint of" in not_sound()  # which is an event, too
    recover(capsys=capsys)
    for count in (0, 10):  # past what was abandoned
        fill(count)
        checkpoints.sign()
        said = verified(capsys)
        assert "SEAM: part 2 of the ledger begins with event 15, by " in said
        assert f"abandoned 2 signed checkpoints, the newest of 15 events. Reason: {REASON}" in said
        assert "2 abandoned checkpoints in the directory, held against nothing" in said
    assert matching(action="audit.verified").first().details["part"] == 2


def test_nothing_to_recover_is_refused(db, settings):
    assert "There is nothing to recover" in refused()
    fill(3)
    checkpoints.sign()
    fill(3)
    assert "There is nothing to recover" in refused()
    recovered_before = outside(settings)
    assert recovered_before == {"3"}


def test_it_is_done_once(lost):
    recover()
    with pytest.raises(CommandError, match="There is nothing to recover"):
        call_command("audit_recover", reason=REASON)
    assert matching(action="audit.recovered").count() == 1


def test_it_needs_a_reason_and_a_signing_key(lost, settings):
    assert "Give a reason." in refused("  ")
    settings.AUDIT_SIGNING_KEY = ""
    assert "set PORTAL_AUDIT_SIGNING_KEY" in refused()


@pytest.mark.parametrize("text", ["something", "forged"])
def test_a_note_that_no_known_key_signed_is_for_a_person(lost, settings, text):
    if text == "forged":
        body = (settings.CHECKPOINT_DIR / "15").read_text().partition("\n\n")[0] + "\n"
        text = SignerKey(settings.AUDIT_ORIGIN, b"f" * 32).sign(body)
    (settings.CHECKPOINT_DIR / "15").write_text(text)
    assert "The checkpoint of 15 events in the directory does not count" in (said := refused())
    assert "move it away" in said and "PORTAL_AUDIT_OLD_VERIFIER_KEYS" in said


def test_a_note_under_another_number_is_for_a_person(lost, settings):
    (settings.CHECKPOINT_DIR / "14").write_text((settings.CHECKPOINT_DIR / "15").read_text())
    assert "is one of 15 events" in refused()


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE audit_auditevent SET canonical = replace(canonical, 'reason 2', 'reason X') WHERE sequence = 3", "3"),
        ("UPDATE audit_auditevent SET actor_name = 'nobody' WHERE sequence = 3", "Event 3 was changed"),
    ],
)
def test_a_ledger_that_was_changed_is_not_recovered(lost, statement, says):
    sql(statement)
    assert says in (said := refused())
    assert "That is not what a restored backup leaves" in said


def test_a_checkpoint_of_the_database_that_it_does_not_extend_is_no_loss(db):
    """Someone cut the end off: a restored database has no checkpoint of more events than it has."""
    fill(9)
    checkpoints.sign()
    sql("DELETE FROM audit_auditevent WHERE sequence > 5")
    sql("DELETE FROM audit_eventterm WHERE sequence > 5")
    for level, last in ((1, 2), (2, 1), (3, 0)):
        sql("DELETE FROM audit_node WHERE level = %s AND position >= %s", level, last)
    assert "That is not what a restored backup leaves" in refused()


def test_notes_of_an_earlier_key_are_abandoned_too(lost, settings):
    rotate(settings)
    recover()
    assert checkpoints.sign().note.startswith(f"{settings.AUDIT_ORIGIN}/2\n")
    assert len(matching(action="audit.recovered").get().details["abandoned"]) == 2


def test_the_signing_key_can_be_changed_in_a_later_part(lost, settings, capsys):
    recover(capsys=capsys)
    call_command("audit_checkpoint", verifier_key=True, all=True)
    old = capsys.readouterr().out.split()
    rotate(settings, keep=False)
    settings.AUDIT_OLD_VERIFIER_KEYS = old
    fill(2)
    assert checkpoints.sign().size == 16
    assert "Sound" in verified(capsys)


def test_a_key_that_was_retired_before_does_not_sign_in_a_later_part(db, settings):
    """It has another name there, which must not make it another key."""
    fill(3)
    checkpoints.sign()
    stolen = settings.AUDIT_SIGNING_KEY
    rotate(settings)
    fill(3)
    checkpoints.sign()
    fill(3)
    checkpoints.sign()
    set_back(6)
    recover()
    new = checkpoints.signer().verifier
    forged = SignerKey.parse(f"{settings.AUDIT_ORIGIN}/2", stolen)
    settings.AUDIT_SIGNING_KEY = stolen
    settings.AUDIT_OLD_VERIFIER_KEYS += [str(new), str(VerifierKey(settings.AUDIT_ORIGIN, new.public))]
    fill(2)
    with pytest.raises(NotConfigured, match="another one took over from"):
        checkpoints.sign()
    root = checkpoints.proofs.root_at(10)
    note = forged.sign(checkpoints.Checkpoint(forged.verifier.name, 10, root).text)
    (settings.CHECKPOINT_DIR / forged.verifier.name / "10").write_text(note)
    assert "signed with a key that another one had taken over from" in not_sound()


def test_all_keys_are_printed(lost, settings, capsys):
    recover(capsys=capsys)
    call_command("audit_checkpoint", verifier_key=True)
    one = capsys.readouterr().out.split()
    call_command("audit_checkpoint", verifier_key=True, all=True)
    both = [VerifierKey.parse(line) for line in capsys.readouterr().out.split()]
    assert [key.name for key in both] == [settings.AUDIT_ORIGIN, f"{settings.AUDIT_ORIGIN}/2"]
    assert one == [str(both[1])]
    with pytest.raises(CommandError, match="goes with --verifier-key"):
        call_command("audit_checkpoint", all=True)


def test_a_second_recovery_makes_the_third_part(lost, settings, capsys):
    recover()
    fill(3)
    checkpoints.sign()  # 17, in part 2
    set_back(15)
    recover("Again")
    event = matching(action="audit.recovered").order_by("-sequence").first()
    assert (event.details["part"], event.details["before"]) == (3, 2)
    assert [(one["part"], one["size"]) for one in event.details["abandoned"]] == [(2, 17)]
    assert checkpoints.latest().note.startswith(f"{settings.AUDIT_ORIGIN}/3\n")
    capsys.readouterr()
    said = verified(capsys)
    assert "SEAM: part 2 of" in said and "SEAM: part 3 of" in said


def test_a_backup_from_before_the_recovery_gets_a_part_of_its_own(lost, settings, capsys):
    """Part 2 was another history: its name is never used for a second one."""
    recover()
    fill(3)
    checkpoints.sign()
    set_back(9)
    Installation.objects.update(ledger_part=1)
    fill(1)
    with pytest.raises(HistoryReplaced):
        checkpoints.sign()
    recover("Restored Monday's")
    details = matching(action="audit.recovered").get().details
    assert (details["part"], details["before"]) == (3, 1)
    assert {(one["part"], one["size"]) for one in details["abandoned"]} == {(1, 13), (1, 15), (2, 14), (2, 17)}
    assert "Sound" in verified(capsys)


def test_the_lost_end_that_comes_back_does_not_pass_for_the_present(lost, settings):
    """The original database, restored after part 2 began: part 1 fits it, and part 2 must not be forgotten."""
    recover()
    set_back(9)
    Installation.objects.update(ledger_part=1)
    for size in ("13", "15"):
        (settings.CHECKPOINT_DIR / size).unlink()
    fill(20)
    with pytest.raises(HistoryReplaced, match="first 14 events are not those"):
        checkpoints.sign()
    assert "is of other events" in not_sound()


def test_number_and_events_must_agree(lost, settings):
    recover()
    for number in (1, 3):
        Installation.objects.update(ledger_part=number)
        with pytest.raises(HistoryReplaced, match=f"says the ledger is in part {number}, and its events say part 2"):
            checkpoints.sign()
        assert f"is in part {number}" in not_sound()


@pytest.mark.parametrize("change", ["resigned", "planted"])
def test_only_what_the_seam_names_is_let_pass(lost, settings, change):
    """A note of part 1 that is ahead and that no seam names is a fault, as before."""
    recover()
    key = SignerKey.parse(settings.AUDIT_ORIGIN, settings.AUDIT_SIGNING_KEY)
    size = 15 if change == "resigned" else 14
    note = key.sign(checkpoints.Checkpoint(settings.AUDIT_ORIGIN, size, b"x" * 32).text)
    (settings.CHECKPOINT_DIR / str(size)).write_text(note)
    fill(20)
    assert f"The checkpoint of {size} events in the directory is of other events" in not_sound()
    with pytest.raises(HistoryReplaced):
        checkpoints.sign()


def test_a_checkpoint_of_the_first_part_after_the_seam_is_a_fault(lost, settings):
    recover()
    fill(5)
    key = SignerKey.parse(settings.AUDIT_ORIGIN, settings.AUDIT_SIGNING_KEY)
    note = key.sign(checkpoints.Checkpoint(settings.AUDIT_ORIGIN, 16, checkpoints.proofs.root_at(16)).text)
    (settings.CHECKPOINT_DIR / "16").write_text(note)
    with pytest.raises(HistoryReplaced, match="is one of part 1 of the ledger, which was in part 2 there"):
        checkpoints.sign()
    assert "is not of part 2, in which the ledger was there" in not_sound()


def test_whoever_cuts_the_end_off_and_recovers_stays_visible(db, settings, tmp_path, capsys):
    """With the database and the signing key, but not what others kept."""
    fill(12)
    kept = checkpoints.sign().note
    set_back(5)
    recover("Nothing happened")
    capsys.readouterr()
    assert "abandoned 1 signed checkpoint, the newest of 12 events. Reason: Nothing happened" in verified(capsys)
    lines = export("whole")
    assert verdict(tmp_path, lines, kept, key=keys(settings)[0])[0] == 1  # whoever knows of one part only
    status, said = verdict_of_both(tmp_path, settings, lines, kept)
    assert status == 0
    assert "kept-0, of 12 events, was abandoned by event 7: the ledger does not extend it" in said
    sql("DELETE FROM audit_auditevent WHERE sequence > 5")
    set_back(5)
    Installation.objects.update(ledger_part=1)
    assert "Event 6 is missing" in not_sound()  # without the seam it is a loss again


def keys(settings):
    return [str(key) for key in checkpoints.verifier_keys(parts.read().numbers)]


def export(kind):
    events = matching() if kind == "whole" else matching().filter(sequence__in=[2, 5])
    pieces = jsonl.jsonl(events, filtered=kind != "whole", header={})
    return b"".join(pieces).decode().splitlines(keepends=True)


def verdict_of_both(tmp_path, settings, lines, *kept):
    return verdict(tmp_path, lines, *kept, key=keys(settings))


@pytest.mark.parametrize("kind", ["whole", "filtered"])
def test_an_export_shows_the_seam_to_whoever_knows_both_keys(lost, settings, tmp_path, kind):
    notes = [(settings.CHECKPOINT_DIR / size).read_text() for size in ("9", "15")]
    recover()
    fill(5)
    lines = export(kind)
    status, said = verdict_of_both(tmp_path, settings, lines, *notes)
    assert (status, said.splitlines()[0].endswith("which extends 1 kept")) == (0, True), said
    assert "SEAM: part 2 begins with event 14, by " in said and f"of 13, 15 events. Reason: {REASON}" in said
    assert "kept-1, of 15 events, was abandoned by event 14" in said
    status, said = verdict(tmp_path, lines, key=keys(settings)[0])
    assert (status, f"but as {settings.AUDIT_ORIGIN}/2" in said) == (1, True), said


@pytest.mark.parametrize("kind", ["whole", "filtered"])
def test_a_kept_checkpoint_that_no_seam_names_is_a_fault(lost, settings, tmp_path, kind):
    (settings.CHECKPOINT_DIR / "13").rename(tmp_path / "kept-elsewhere")
    recover()
    fill(5)
    status, said = verdict_of_both(tmp_path, settings, export(kind), (tmp_path / "kept-elsewhere").read_text())
    assert status == 1
    assert "history was replaced, and no seam names it" in said or "no proof that it extends" in said


@pytest.mark.parametrize("kind", ["whole", "filtered"])
@pytest.mark.parametrize("change", ["left out", "reason", "abandoned", "header", "action"])
def test_a_seam_that_was_changed_in_an_export_is_found(lost, settings, tmp_path, kind, change):
    recover()
    fill(5)
    *lines, last = export(kind)
    end = json.loads(last)
    event = end["seams"][0]["event"]
    if change == "left out":
        del end["seams"]
    elif change == "reason":
        event["reason"] = "Nothing"
    elif change == "abandoned":
        event["details"]["abandoned"].pop()
    elif change == "action":
        event["action"] = "test.event"
    else:
        lines[0] = lines[0].replace('"part":2', '"part":1')
    status, said = verdict_of_both(tmp_path, settings, [*lines, json.dumps(end) + "\n"])
    assert (status, said.startswith("NOT OK: ")) == (1, True), said


def test_pages_and_csv_name_the_seam(cast, settings):
    fill(9)
    checkpoints.sign()
    set_back(6)
    recover()
    client = cast.client("security")
    page = text_of(client.get("/audit/verify/"))
    assert "Seams" in page and "Event 8 : part 2 of the ledger begins with event 8" in page.replace(
        "Event 8:", "Event 8 :"
    )
    for key in keys(settings):
        assert key in page
    assert "Seam: part 2 of the ledger begins with event 8" in text_of(client.get("/audit/3/"))
    body = b"".join(client.get("/audit/export.csv").streaming_content).decode()
    assert "# seam: part 2 of the ledger begins with event 8" in body
    assert "Seam: part 2" in b"".join(client.post("/audit/verify/").streaming_content).decode()


def test_security_is_told(lost, told):
    recover()
    assert [one["kind"] for one in told if "recovered" in one["title"]] == ["alarm.ledger"]


def test_what_was_abandoned_held_before_and_is_no_new_sign_of_a_set_back(lost, settings):
    """The mark may be lost with the database: without the checkpoints nothing would show the loss to the reconciler."""
    recover()
    assert [row.proof.partition(":")[0] for row in SetBack.objects.all()] == ["checkpoint"]
    for count in (0, 20):
        fill(count)
        check.check_newest_checkpoint()
    assert SetBack.objects.count() == 1


@pytest.mark.parametrize("kind", ["whole", "filtered"])
def test_an_export_that_hides_a_seam_among_its_events_is_found(lost, settings, tmp_path, kind, monkeypatch):
    recover()
    monkeypatch.setattr(jsonl, "_seams", lambda _: (1, []))
    events = matching() if kind == "whole" else matching(action="audit.recovered")
    pieces = jsonl.jsonl(events, filtered=kind != "whole", header={})
    status, said = verdict_of_both(tmp_path, settings, b"".join(pieces).decode().splitlines(keepends=True))
    assert (status, "event 14 begins a part of the ledger, and not all of the export says so" in said) == (1, True), (
        said
    )


def test_a_checkpoint_under_another_parts_name_does_not_pass_in_an_export(lost, settings, tmp_path, monkeypatch):
    recover()
    both = keys(settings)
    sql("DELETE FROM audit_checkpoint WHERE size = 14")
    first = SignerKey.parse(settings.AUDIT_ORIGIN, settings.AUDIT_SIGNING_KEY)
    note = first.sign(checkpoints.Checkpoint(settings.AUDIT_ORIGIN, 14, checkpoints.proofs.root_at(14)).text)
    monkeypatch.setattr(jsonl, "_checkpoint", lambda: (SimpleNamespace(size=14, note=note), ""))
    status, said = verdict(tmp_path, export("whole"), key=both)
    assert (status, "and the ledger is in part 2" in said) == (1, True), said


@pytest.mark.parametrize("change", [{"before": 3, "part": 4}, {"part": 1}, {"folder": "/etc"}, {"abandoned": [{}]}])
def test_an_event_that_is_no_seam_stops_signing(db, change):
    fill(2)
    with transaction.atomic():
        append(Entry("audit.recovered", "somebody", details={**parts.details(2, 1, []), **change}))
    with pytest.raises(HistoryReplaced, match="Event 3 "):
        checkpoints.sign()
    assert "Event 3 " in not_sound()
