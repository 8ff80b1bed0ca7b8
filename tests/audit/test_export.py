"""Exports, and what the offline verifier finds in them once somebody has changed them."""

import gzip
import io
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
import rfc8785
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from keys_app.audit import offline_verifier
from keys_app.audit.export import jsonl
from keys_app.audit.ledger import matching
from keys_app.audit.merkle import checkpoints, tree

from .tampering import fill, small_blocks, sql

VERIFIER = Path(offline_verifier.__file__)
KINDS = ["whole", "filtered"]


def lines_of(kind, header=None):
    """Return an export's lines: everything, or every third event."""
    events = matching()
    if kind == "filtered":
        events = events.filter(sequence__in=range(2, 100, 3))
    pieces = jsonl.jsonl(events, filtered=kind == "filtered", header=header or {"filter": kind})
    return b"".join(pieces).decode().splitlines(keepends=True)


def verdict(tmp_path, lines, *kept, key=None):
    """Run the verifier on these lines; return its exit status and what it said."""
    path = tmp_path / "export.jsonl"
    path.write_text("".join(lines))
    keys = key if isinstance(key, list) else [key or checkpoints.signer().verifier]
    arguments = [str(path), *(part for one in keys for part in ("--key", str(one)))]
    for number, note in enumerate(kept):
        (tmp_path / f"kept-{number}").write_text(note)
        arguments += ["--checkpoint", str(tmp_path / f"kept-{number}")]
    out, error = io.StringIO(), io.StringIO()
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = out, error
    try:
        status = offline_verifier.main(arguments)
    finally:
        sys.stdout, sys.stderr = before
    return status, out.getvalue() + error.getvalue()


@pytest.fixture
def kept(db):
    """A ledger of 20 events, and the checkpoint somebody kept when it had 9."""
    fill(9)
    note = checkpoints.sign().note
    fill(11)
    return note


@pytest.mark.parametrize("kind", KINDS)
def test_an_export_holds_as_it_is(kept, tmp_path, kind):
    lines = lines_of(kind)
    assert verdict(tmp_path, lines, kept)[0] == 0, verdict(tmp_path, lines, kept)
    assert verdict(tmp_path, lines)[0] == 0


def test_it_has_the_form_others_rely_on(kept):
    for kind, indexes in (("whole", list(range(20))), ("filtered", list(range(1, 20, 3)))):
        head, *events, end = [json.loads(line) for line in lines_of(kind)]
        assert head["header"]["filtered"] == (kind == "filtered")
        assert head["header"]["size"] == 20
        assert [event["index"] for event in events] == indexes
        checkpoint = offline_verifier.open_checkpoint(end["checkpoint"], [key()])
        assert checkpoint[0] == 20
        for event in events:
            leaf = tree.leaf_hash(rfc8785.dumps(event["event"]))
            stored = matching().get(sequence=event["index"] + 1)
            assert leaf == bytes(stored.leaf_hash)
            assert ("proof" in event) == (kind == "filtered")


def key():
    return offline_verifier.read_key(str(checkpoints.signer().verifier))


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_an_empty_and_a_small_ledger_export_too(db, tmp_path, count):
    fill(count)
    for kind in KINDS:
        assert verdict(tmp_path, lines_of(kind))[0] == 0


def test_what_is_appended_meanwhile_is_not_in_it(kept, tmp_path, monkeypatch):
    small_blocks(monkeypatch)
    for filtered in (False, True):
        size = matching().count()
        pieces = jsonl.jsonl(matching(), filtered=filtered, header={})
        lines = []
        for piece in pieces:
            fill(1)
            lines += piece.decode().splitlines(keepends=True)
        assert len(lines) == size + 2
        assert verdict(tmp_path, lines, kept)[0] == 0


def edit(lines):
    lines[3] = lines[3].replace("somebody", "nobody")


def edit_details(lines):
    lines[3] = lines[3].replace('"number":', '"number":1')


def remove(lines):
    del lines[4]


def remove_the_last(lines):
    del lines[-2]


def insert(lines):
    lines.insert(5, lines[5])


def forge(lines):
    value = json.loads(lines[4])
    value["index"] += 1
    value["event"]["sequence"] += 1
    lines.insert(5, json.dumps(value) + "\n")


def swap(lines):
    lines[3], lines[4] = lines[4], lines[3]


def swap_contents(lines):
    one, two = json.loads(lines[3]), json.loads(lines[4])
    one["event"]["reason"], two["event"]["reason"] = two["event"]["reason"], one["event"]["reason"]
    lines[3], lines[4] = json.dumps(one) + "\n", json.dumps(two) + "\n"


def truncate(lines):
    del lines[5:]


def truncate_before_the_end(lines):
    del lines[5:-1]


def truncate_in_a_line(lines):
    lines[-1] = lines[-1][:-20]


def without_the_header(lines):
    del lines[0]


def change_the_header(lines):
    lines[0] = lines[0].replace('"filter":"', '"filter":"x')


def without_the_list(lines):
    end = json.loads(lines[-1])
    del end["list"]
    lines[-1] = json.dumps(end) + "\n"


def change_the_checkpoint(lines):
    lines[-1] = lines[-1].replace("\\n20\\n", "\\n19\\n", 1)


def move(lines):
    value = json.loads(lines[3])
    value["index"] += 1
    lines[3] = json.dumps(value) + "\n"


TAMPERINGS = [
    edit, edit_details, remove, remove_the_last, insert, forge, swap, swap_contents, truncate, truncate_before_the_end,
    truncate_in_a_line, without_the_header, change_the_header, without_the_list, change_the_checkpoint, move,
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tampering", TAMPERINGS, ids=lambda function: function.__name__)
def test_a_changed_export_is_found(kept, tmp_path, kind, tampering):
    lines = lines_of(kind)
    before = list(lines)
    tampering(lines)
    assert lines != before
    status, said = verdict(tmp_path, lines, kept)
    assert status == 1, said
    assert said.startswith("NOT OK: ")


@pytest.mark.parametrize("kind", KINDS)
def test_lines_that_are_written_otherwise_mean_the_same(kept, tmp_path, kind):
    """Only what an event says is hashed, not how a tool that passed it on wrote it."""
    lines = [json.dumps(json.loads(line), indent=None, ensure_ascii=True) + "\n" for line in lines_of(kind)]
    assert verdict(tmp_path, lines, kept)[0] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_no_line_can_lose_or_gain_a_character(kept, tmp_path, kind):
    """Spaces apart, every changed character of an event's line shows."""
    lines, chance = lines_of(kind), random.Random(1)
    for _ in range(60):
        changed = list(lines)
        number = chance.randrange(1, len(lines) - 1)
        place = chance.randrange(len(lines[number]) - 1)
        changed[number] = lines[number][:place] + chance.choice('x0}"\\') + lines[number][place + 1 :]
        if changed != lines:
            assert verdict(tmp_path, changed)[0] == 1, changed[number]


@pytest.mark.parametrize("kind", KINDS)
def test_a_replaced_history_is_found_with_a_kept_checkpoint(kept, tmp_path, settings, kind):
    """The forger has the database, the directory and the signing key, and makes everything anew."""
    from .tampering import unguarded

    with unguarded():
        from django.db import connection

        with connection.cursor() as cursor:
            for table in ("audit_auditevent", "audit_node", "audit_checkpoint"):
                cursor.execute(f"DELETE FROM {table}")
    for path in settings.CHECKPOINT_DIR.iterdir():
        path.unlink()
    fill(9, "test.other")
    checkpoints.sign()
    fill(12, "test.other")
    lines = lines_of(kind)
    assert verdict(tmp_path, lines)[0] == 0, "without the kept checkpoint nobody can know"
    status, said = verdict(tmp_path, lines, kept)
    assert status == 1
    assert "history was replaced" in said


@pytest.mark.parametrize("kind", KINDS)
def test_a_kept_checkpoint_of_more_events_than_there_are_is_told(kept, tmp_path, kind):
    lines = lines_of(kind)
    fill(3)
    status, said = verdict(tmp_path, lines, checkpoints.sign().note)
    assert status == 1
    assert "is of 23 events and the export ends at 20" in said


def test_a_filtered_export_says_when_it_cannot_prove_an_extension(kept, tmp_path):
    lines = lines_of("filtered")
    end = json.loads(lines[-1])
    lines[-1] = json.dumps({**end, "earlier": []}) + "\n"
    status, said = verdict(tmp_path, lines, kept)
    assert status == 1
    assert "no proof that it extends the checkpoint of 9" in said


def test_another_key_is_not_enough(kept, tmp_path):
    from keys_app.audit.merkle.signed_note import SignerKey

    other = SignerKey("testserver/audit", b"o" * 32).verifier
    status, said = verdict(tmp_path, lines_of("whole"), key=other)
    assert status == 1
    assert "not signed with the key" in said


@pytest.mark.parametrize("key", ["", "nonsense", "a+b+c"])
def test_a_key_that_is_none_is_a_mistake_of_whoever_asks(kept, tmp_path, key):
    path = tmp_path / "export.jsonl"
    path.write_text("".join(lines_of("whole")))
    assert offline_verifier.main([str(path), "--key", key]) == 2
    assert offline_verifier.main([str(tmp_path / "none"), "--key", str(checkpoints.signer().verifier)]) == 2


@pytest.mark.parametrize("text", ["", "\n", "{}\n", "[]\n[]\n", "null\n", '{"header":1}\n{"checkpoint":1}\n',
                                  '{"header":{}}\n{"checkpoint":"x"}\n', '{"header":{}}\n' * 3, "\xff\n"])  # fmt: skip
def test_nonsense_is_not_ok(db, tmp_path, text):
    status, said = verdict(tmp_path, [text])
    assert (status, said[:8]) == (1, "NOT OK: ")


def saved(how, text):
    """Return an export as people and their programs save it."""
    return {
        "mark": b"\xef\xbb\xbf" + text.encode(),
        "Windows": b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode(),
        "UTF-16": text.replace("\n", "\r\n").encode("utf-16"),
        "UTF-16 without a mark": text.encode("utf-16-le"),
        "UTF-16, big end first": "\ufeff".encode("utf-16-be") + text.encode("utf-16-be"),
        "gzip": gzip.compress(text.encode()),
        "gzip of UTF-16": gzip.compress(text.encode("utf-16")),
        "blank last line": (text + "\n").encode(),
        "blank last lines": (text + "\r\n\n\n").encode(),
    }[how]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["mark", "Windows", "UTF-16", "UTF-16 without a mark", "UTF-16, big end first", "gzip",
                                 "gzip of UTF-16", "blank last line", "blank last lines"])  # fmt: skip
def test_it_reads_an_export_as_it_was_saved(kept, tmp_path, kind, how):
    """So it does the kept checkpoint; and it finds in each what was changed."""
    text = "".join(lines_of(kind))
    (tmp_path / "kept").write_bytes(kept.encode("utf-16"))
    arguments = ["--key", str(checkpoints.signer().verifier), "--checkpoint", str(tmp_path / "kept")]
    for content, status in ((text, 0), (text.replace("reason 4", "reason 5"), 1)):
        (tmp_path / "saved").write_bytes(saved(how, content))
        assert offline_verifier.main([str(tmp_path / "saved"), *arguments]) == status


def damaged(text):
    """Yield what can't be checked, of which nothing says that it was tampered with."""
    first, second, *rest = text.splitlines(keepends=True)
    packed = gzip.compress(text.encode())
    yield "a compressed file without its end", packed[:-20]
    yield "its first bytes alone", packed[:12]
    yield "a changed byte in it", packed[:100] + bytes([packed[100] ^ 255]) + packed[101:]
    yield "Latin-1", text.encode().replace(b"reason 1", b"reas\xf6n")
    for what, value in (
        ("NaN", "NaN"),
        ("infinity", "1e999"),
        ("a huge number", "9" * 5000),
        ("a number beyond a double", "9" * 400),
        ("nesting", "[" * 100_000 + "]" * 100_000),
        ("half a character", '"\\ud800"'),
    ):
        yield what, "".join([first, second.replace('"details":{', f'"details":{{"x":{value},', 1), *rest]).encode()


@pytest.mark.parametrize("kind", KINDS)
def test_what_it_can_not_read_is_not_called_tampered_with(kept, tmp_path, kind, capsys):
    path, key = tmp_path / "damaged", str(checkpoints.signer().verifier)
    for what, content in damaged("".join(lines_of(kind))):
        path.write_bytes(content)
        assert (offline_verifier.main([str(path), "--key", key]), what) == (2, what)
        assert capsys.readouterr().err.startswith("Cannot check: ")


@pytest.mark.parametrize("kind", KINDS)
def test_it_refuses_what_the_portal_does_not_write(kept, tmp_path, kind):
    """A name beside those that are signed, or one that is there twice: readers might believe the other one."""
    lines = lines_of(kind)
    for place, name in ((0, '"header"'), (2, '"event"'), (-1, '"checkpoint"')):
        for foreign in ('"note":"approved by Security",', f'{name}:{{"action":"other"}},'):
            changed = [*lines]
            changed[place] = changed[place].replace("{", "{" + foreign, 1)
            status, said = verdict(tmp_path, changed)
            assert status == 1, said
            assert "what the portal does not write: 'note'" in said or "a name is used twice" in said
    if kind == "whole":
        changed = [*lines]
        changed[1] = changed[1].replace("{", '{"proof":[],', 1)
        assert "'proof'" in verdict(tmp_path, changed)[1]
    else:
        changed = [*lines]
        changed[-1] = changed[-1].replace('"size":9', '"note":"x","size":9')
        assert changed != lines
        assert "'note'" in verdict(tmp_path, changed, kept)[1]


def test_it_runs_alone(kept, tmp_path):
    """One file, in Python's isolated mode, away from the portal."""
    script = tmp_path / "verifier.py"
    script.write_bytes(VERIFIER.read_bytes())
    (tmp_path / "export.jsonl").write_text("".join(lines_of("filtered")))
    (tmp_path / "key").write_text(str(checkpoints.signer().verifier))
    (tmp_path / "kept").write_text(kept)
    arguments = ["-I", "verifier.py", "export.jsonl", "--key", "key", "--checkpoint", "kept"]
    done = subprocess.run([sys.executable, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("OK: a filtered export with 7 events, under a checkpoint of 20 events")
    imported = [line for line in script.read_text().splitlines() if line.startswith(("import ", "from "))]
    assert not [line for line in imported if "keys_app" in line or "django" in line or "rfc8785" in line]


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner),
)


@given(VALUES)
def test_the_verifier_writes_rfc_8785_as_the_portal_does(value):
    assert offline_verifier.canonical(value).encode() == rfc8785.dumps(value)
    assert offline_verifier.canonical(offline_verifier.parse(rfc8785.dumps(value))).encode() == rfc8785.dumps(value)


def test_the_command_writes_an_export_and_records_it(db, tmp_path):
    fill(4)
    path = tmp_path / "out.jsonl"
    call_command("audit_export", "--output", str(path))
    call_command("audit_export", "--action", "test.", "--output", str(tmp_path / "filtered.jsonl"))
    for name, count in (("out", 5), ("filtered", 4)):
        lines = (tmp_path / f"{name}.jsonl").read_text().splitlines(keepends=True)
        assert len(lines) == count + 2
        assert verdict(tmp_path, lines)[0] == 0
    details = [event.details for event in matching(action="audit.exported").order_by("sequence")]
    assert [(one["format"], one["filtered"], one["filter"]) for one in details] == [
        ("jsonl", False, {}),
        ("jsonl", True, {"action": "test."}),
    ]


def test_the_command_takes_a_search_line(db, tmp_path):
    fill(4)
    fill(2, action="test.other")
    path = tmp_path / "out.jsonl"
    call_command("audit_export", "--search", "action:test.* -action:test.event", "--output", str(path))
    lines = path.read_text().splitlines(keepends=True)
    assert [json.loads(line)["event"]["action"] for line in lines[1:-1]] == ["test.other"] * 2
    assert json.loads(lines[0])["header"]["filter"] == "action:test.* -action:test.event"
    assert verdict(tmp_path, lines)[0] == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--search", "colour:red"], "“colour:” is not something to search by"),
        (["--search", "created:2026-12-01..2026-11-01"], "--search: "),
        (["--search", "risk:low", "--action", "key."], "--search or --action, not both"),
    ],
)
def test_the_command_says_what_it_does_not_understand(db, tmp_path, options, said):
    path = tmp_path / "out.jsonl"
    with pytest.raises(CommandError, match=said):
        call_command("audit_export", *options, "--output", str(path))
    assert not path.exists()
    assert not matching(action="audit.exported").exists()


def test_the_command_overwrites_nothing(db, tmp_path):
    path = tmp_path / "out.jsonl"
    path.write_text("mine")
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("audit_export", "--output", str(path))
    assert path.read_text() == "mine"


@pytest.mark.parametrize("filtered", [[], ["--action", "test."]])
def test_a_damaged_ledger_is_exported_with_an_error(kept, tmp_path, filtered):
    sql("UPDATE audit_auditevent SET canonical = replace(canonical, 'somebody', 'nobody') WHERE sequence = 12")
    path = tmp_path / "out.jsonl"
    with pytest.raises(CommandError, match="not sound: Event 12 was changed"):
        call_command("audit_export", "--output", str(path), *filtered)
    status, said = verdict(tmp_path, path.read_text().splitlines(keepends=True))
    assert status == 1, said
