"""Exports of the audit: whole files of one state, recorded before they leave, safe to open, quick to stop."""

import csv
import json
import logging
import subprocess
import sys
import threading
from datetime import datetime
from io import StringIO
from pathlib import Path
from wsgiref.simple_server import make_server

import pytest
import requests
from django.core.wsgi import get_wsgi_application
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from keys_app.audit import ledger, offline_verifier
from keys_app.audit.export import formats, ocsf
from keys_app.audit.search.engine import Search, chunks
from keys_app.audit.search.query import parse
from tests.cast import READ_MESSAGES, text_of

from .tampering import small_blocks

URLS = {"csv": "/audit/export.csv", "jsonl": "/audit/export.jsonl", "ocsf": "/audit/export.ocsf.jsonl"}


def append(count, action="test.event", **values):
    with transaction.atomic():
        return [ledger.append(ledger.Entry(action=action, actor_name="a test", **values)) for _ in range(count)]


def body(answer):
    assert answer.status_code == 200, text_of(answer)
    return b"".join(answer.streaming_content).decode()


def csv_of(text):
    header = {}
    while text.startswith("# "):
        line, _, text = text.partition("\r\n")
        name, _, header_value = line[2:].partition(": ")
        header[name] = header_value
    return header, list(csv.DictReader(StringIO(text, newline="")))


def lines_of(text):
    return [json.loads(line) for line in text.split("\n") if line]


@pytest.mark.parametrize("url", [*URLS.values(), "/audit/reports/about.jsonl?person=engineer"])
@pytest.mark.parametrize(
    ("role", "status"), [("security", 200), ("engineer", 403), ("lead", 403), ("admin", 403), ("stranger", 403)]
)
def test_it_is_for_security_only_and_an_event_itself(cast, actions, url, role, status):
    answer = cast.client(role).get(url)
    assert answer.status_code == status
    assert actions().count("audit.exported") == (status == 200)  # nothing of it was read yet
    assert cast.client(role).post(url).status_code == 405
    assert cast.client(role).head(url).status_code == 405


def test_csv_has_a_header_and_every_column(cast):
    key_request, _ = cast.issued(permissions=READ_MESSAGES)
    client = cast.client("security")
    header, rows = csv_of(body(client.get(URLS["csv"], {"q": "action:key.issued"})))
    assert header["filter"] == "action:key.issued"
    assert datetime.fromisoformat(header["exported at"]).tzinfo
    assert int(header["checkpoint"].split()[1]) == int(header["events up to"]) + 1  # its own event is under it
    (row,) = rows
    event = ledger.matching(action="key.issued").get()
    assert row["event"] == event.canonical
    assert row["time"] == json.loads(event.canonical)["time"]
    assert (row["team"], row["risk"], row["key_sid"]) == ("Payments", "high", key_request.keys.get().sid)
    assert json.loads(row["policy"])["allow"] == READ_MESSAGES


READERS = [",", ";", "\t", "|"]
SIGNS = tuple("=+-@＝＋－＠")


def cells_of(text, separator, quote='"'):
    """Return every cell as a reader with this separator has them, one that takes lines for rows as well."""
    rows = csv.reader(StringIO(text, newline=""), delimiter=separator, quotechar=quote)
    naive = [cell.strip('"') for line in text.splitlines() for cell in line.split(separator)]
    return [cell for row in rows for cell in row] + (naive if separator != "," else [])


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n"])
@pytest.mark.parametrize("separator", READERS)
def test_no_cell_is_a_formula_in_any_reader(cast, sign, separator):
    evil = f'{sign}HYPERLINK("http://example.org","x"),"y"\r\n{sign}2'
    append(1, reason=evil, address=f"{sign}1", team=f"{sign}t")
    append(1, reason=f"Nightly\n{sign}40+2;{sign}1|{sign}1\t{sign}1\n \n {sign}3; {sign}4\n")
    answer = cast.client("security").get(URLS["csv"], {"q": "action:test.event", "text": f"a,{sign}1;{sign}2"})
    text = body(cast.client("security").get(URLS["csv"], {"q": "action:test.event"}))
    assert answer.status_code in (200, 422)
    _, rows = csv_of(text)
    assert len(rows) == 2 and rows[0]["reason"].startswith(f"'{sign}HYPERLINK")
    for cell in cells_of(text, separator):
        assert not cell.lstrip().startswith(SIGNS), cell
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("\t", "\r", "\n"))]


def test_what_is_no_formula_is_as_it_was_and_json_says_the_same(cast):
    append(1, reason="Ask a - b, -5 or a+b=c; then 3 | 4")
    append(1, reason="x;=1|-2")
    text = body(cast.client("security").get(URLS["csv"], {"q": "action:test.event"}))
    _, (first, second) = csv_of(text)
    events = [event.canonical for event in ledger.matching(action="test.event").order_by("sequence")]
    assert (first["reason"], first["event"]) == ("Ask a - b, -5 or a+b=c; then 3 | 4", events[0])
    assert second["event"] != events[1] and json.loads(second["event"]) == json.loads(events[1])


def test_a_spreadsheet_is_told_the_encoding_and_a_script_gets_none(cast):
    cast.ask()
    client = cast.client("security")
    plain = body(client.get(URLS["csv"], {"q": "action:request.*"}))
    marked = body(client.get(URLS["csv"], {"q": "action:request.*", "for": "spreadsheet"}))
    assert plain.startswith("# filter") and marked.startswith("\ufeff# filter: action:request.*")
    assert "export.csv?for=spreadsheet&amp;" in client.get("/audit/?q=action:request.*").content.decode()


def test_the_header_of_a_csv_cannot_be_broken_out_of(cast):
    text = body(cast.client("security").get(URLS["csv"], {"q": '"x\r\n=1+1"', "text": "a\u2028b\n=2"}))
    assert text.split("\r\n")[0].startswith('# filter: "x =1+1"')
    assert not [line for line in text.split("\r\n") if line.startswith("=")]


def test_odd_letters_go_through_every_format(cast):
    words = 'Zoë “quoted”, 支払い\u2028\u2029 \\ " \u202e 🔑'
    append(1, reason=words)
    client = cast.client("security")
    query = {"q": "action:test.event 支払い"}
    _, (row,) = csv_of(body(client.get(URLS["csv"], query)))
    assert row["reason"] == words
    (event,) = [line["event"] for line in lines_of(body(client.get(URLS["jsonl"], query))) if "event" in line]
    assert event["reason"] == words
    (mapped,) = lines_of(body(client.get(URLS["ocsf"], query)))
    assert mapped["comment"] == words


def test_json_lines_prove_themselves(cast, tmp_path):
    cast.issued()
    client = cast.client("security")
    for query in ("", "action:key.*"):
        path = tmp_path / f"export{len(query)}.jsonl"
        path.write_text(body(client.get(URLS["jsonl"], {"q": query})))
        lines = lines_of(path.read_text())
        assert lines[0]["header"]["filter"] == query
        from keys_app.audit.merkle import checkpoints

        key = str(checkpoints.signer().verifier)
        done = subprocess.run(
            [sys.executable, Path(offline_verifier.__file__), str(path), "--key", key],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


OCSF_REQUIRED = {
    "activity_id": int, "category_uid": int, "class_uid": int, "severity_id": int, "time": int, "type_uid": int,
    "metadata": dict, "entity": dict,
}  # fmt: skip


def test_ocsf_has_what_the_class_requires(cast):
    cast.issued()
    cast.client("security").get(URLS["csv"])
    append(1, "team.changed", details={"subject": "Payments", "subject_id": "1"})
    events = lines_of(body(cast.client("security").get(URLS["ocsf"])))
    assert len(events) == ledger.size() - 1
    for event in events:
        for name, kind in OCSF_REQUIRED.items():
            assert type(event[name]) is kind, name
        assert (event["category_uid"], event["class_uid"]) == (3, 3004)
        assert event["activity_id"] in (1, 2, 3, 4)
        assert event["type_uid"] == 300400 + event["activity_id"]
        assert event["severity_id"] in range(7)
        assert {"version", "product"} <= set(event["metadata"])
        assert {"name", "vendor_name"} <= set(event["metadata"]["product"])
        assert {"name", "uid"} & set(event["entity"])
        assert {"user", "app_name"} & set(event["actor"])
        assert event["time"] > 1_600_000_000_000
    by_code = {event["metadata"]["event_code"]: event for event in events}
    assert by_code["key.issued"]["activity_id"] == ocsf.CREATE
    assert by_code["key.issued"]["actor"]["user"]["name"] == "engineer"
    assert by_code["audit.exported"]["activity_id"] == ocsf.READ
    assert by_code["team.changed"]["entity"] == {"type": "team", "uid": "1", "name": "Payments"}


@pytest.mark.parametrize("kind", URLS)
def test_a_bad_search_is_refused_and_not_recorded(cast, actions, kind):
    answer = cast.client("security").get(URLS[kind], {"q": "colour:red"})
    assert answer.status_code == 422
    assert "not something to search by" in text_of(answer)
    assert "audit.exported" not in actions()


@pytest.mark.parametrize("kind", URLS)
@pytest.mark.parametrize("line", ["", "action:test.event", "words"])
def test_an_export_is_one_state_while_events_are_appended(cast, monkeypatch, kind, line):
    monkeypatch.setattr(formats, "AT_ONCE", 10)
    small_blocks(monkeypatch)
    numbers = append(35, reason="some words")
    answer = cast.client("security").get(URLS[kind], {"q": line})
    pieces = []
    for piece in answer.streaming_content:
        pieces.append(piece)
        append(3, reason="later words")
    text = b"".join(pieces).decode()
    assert len(pieces) >= 4
    assert text.count("some words") >= 35
    assert "later words" not in text
    if kind == "csv":
        found = [int(row["sequence"]) for row in csv_of(text)[1]]
        assert found == sorted(found)
        assert set(found) >= set(numbers)


@pytest.mark.parametrize("kind", URLS)
def test_who_hangs_up_stops_the_work(cast, monkeypatch, caplog, kind):
    monkeypatch.setattr(formats, "AT_ONCE", 5)
    small_blocks(monkeypatch)
    append(60)
    answer = cast.client("security").get(URLS[kind])
    pieces = iter(answer.streaming_content)
    next(pieces), next(pieces)
    caplog.set_level(logging.INFO, logger="keys_app.reports.downloads")
    with CaptureQueriesContext(connection) as captured:
        answer.close()
        assert list(pieces) == []
    assert not [one for one in captured if "audit_" in one["sql"]]
    assert "ended early" in caplog.text


def test_a_real_client_that_hangs_up_stops_the_work(live_cast, monkeypatch, settings):
    """Through a server: the connection is cut after the first bytes of a file that has no end."""
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    ended = threading.Event()

    def endless(search, header):
        try:
            while True:
                yield "x" * 65536
        finally:
            ended.set()

    monkeypatch.setattr(formats, "csv_export", endless)
    cookies = {name: morsel.value for name, morsel in live_cast.client("security").cookies.items()}
    with make_server("127.0.0.1", 0, get_wsgi_application()) as server, requests.Session() as session:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        session.trust_env = False
        url = f"http://127.0.0.1:{server.server_port}{URLS['csv']}"
        answer = session.get(url, cookies=cookies, stream=True, timeout=10)
        assert answer.status_code == 200
        assert answer.raw.read(10) == b"x" * 10
        assert not ended.is_set()
        answer.close()
        assert ended.wait(10)
        thread.join(10)
        assert not thread.is_alive()


def test_chunks_are_what_the_search_finds(cast):
    """Read in small pieces, an export has the events of the list, in the order of the ledger."""
    for number in range(40):
        append(1, "test.odd" if number % 2 else "test.even", reason=f"n{number % 5}", risk="low")
    upto = ledger.size()
    for line in (
        "",
        "action:test.odd",
        "n1",
        "-n1",
        "action:test.odd action:test.even -n2",
        "risk:low n3 action:test.*",
    ):
        search = Search(parse(line), upto=upto)
        listed = Search(parse(line), upto=upto).numbers(limit=1000)
        exported = [number for numbers in chunks(search, size=3) for number, _ in formats.events_of(numbers)]
        assert exported == listed[::-1] == sorted(exported)
        assert list(Search(parse(line), upto=upto).rows().order_by("sequence").values_list("pk", flat=True)) == exported


def test_everything_about_a_key_or_a_person(cast, actions):
    key_request, _ = cast.issued()
    cast.issued(friendly_name="another")
    cast.ask("engineer2", account=cast.other_account.sid)
    client, key = cast.client("security"), key_request.keys.get()
    lines = lines_of(body(client.get("/audit/reports/about.jsonl", {"key": key.sid})))
    header, events = lines[0]["header"], [line["event"] for line in lines if "event" in line]
    assert header["about"] == f"key {key.sid}"
    assert {next(iter(record)) for record in header["records"]} == {"key", "request", "decision"}
    assert [event["action"] for event in events] == actions(key_request.pk)
    assert all("proof" in line for line in lines if "event" in line)
    lines = lines_of(body(client.get("/audit/reports/about.jsonl", {"person": "engineer"})))
    events = [line["event"] for line in lines if "event" in line]
    assert {event["login"] for event in events} == {"engineer", "lead"}
    assert {event["team"] for event in events} == {"Payments"}
    assert actions().count("audit.exported") == 2


@pytest.mark.parametrize(
    "query", [{}, {"key": "SK1"}, {"person": "nobody"}, {"key": "SK1", "person": "x"}, {"key": "é"}]
)
def test_a_file_about_nobody_is_refused(cast, actions, query):
    answer = cast.client("security").get("/audit/reports/about.jsonl", query)
    assert answer.status_code == 422
    assert "audit.exported" not in actions()
