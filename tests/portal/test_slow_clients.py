"""Clients that send or read slowly, and too much: the real gunicorn, with few threads, serves the others meanwhile."""

import os
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPConnection

import pytest
from django.db import connection

from portal.serving import answer_buffer
from tests.chaos.portal_process import PortalProcess

from . import slow_clients as slow

PATIENT = {"PORTAL_HEAD_DEADLINE": "60", "PORTAL_BODY_DEADLINE": "600", "PORTAL_SEND_DEADLINE": "600"}
SHORT = {"PORTAL_HEAD_DEADLINE": "1", "PORTAL_BODY_DEADLINE": "1", "PORTAL_SEND_DEADLINE": "1"}
MANY, READERS = 40, 6
BIG, STATIC = "/requests/new/", "/static/portal/portal.css"
ASKED = 300
PAGES_READ = 3


@pytest.fixture
def start(live_cast, tmp_path):
    """Start the portal on the test's database, with one process of two threads."""
    started = []
    name = connection.settings_dict["NAME"]
    url = os.environ.get("DATABASE_URL", "")
    database = url.rpartition("/")[0] + f"/{name}" if url.startswith("postgres") else f"sqlite:///{name}"

    def with_environment(**environment):
        fixed = {"PORTAL_WORKERS": "1", "PORTAL_THREADS": "2", "DJANGO_SETTINGS_MODULE": "tests.settings"}
        log = tmp_path / "portal.log"
        portal = PortalProcess(log, module="portal.wsgi", DATABASE_URL=database, **fixed, **environment)
        started.append(portal)
        return portal.start()

    yield with_environment
    slow.hang_up()
    for portal in started:
        portal.ask_to_stop()
        try:
            assert portal.wait(60) == 0
        finally:
            portal.kill()
        assert "Traceback" not in portal.log.read_text()


@pytest.fixture
def engineer(live_cast):
    """Return the cookies of somebody who is signed in, and a token for their forms."""
    client = live_cast.client("engineer")
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', client.get(BIG).content.decode()).group(1)
    return "; ".join(f"{name}={cookie.value}" for name, cookie in client.cookies.items()), token


def page(portal, path="/healthz", method="GET", cookies="", headers=(), **options):
    client = HTTPConnection("127.0.0.1", portal.port, timeout=60)
    client.request(method, path, headers={"Cookie": cookies, **dict(headers)}, **options)
    answer = client.getresponse()
    text = answer.read().decode()
    client.close()
    return answer.status, text, answer.headers


def reader(portal):
    """Ask for more than the kernel keeps, and read nothing."""
    return slow.connect(portal.port, f"GET {STATIC} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode() * ASKED, buffer=2048)


def hanging(portal, number=MANY):
    sent = [slow.UNFINISHED_HEAD, slow.UNFINISHED_BODY, slow.UNFINISHED_HEAD[:1]]
    unfinished = [slow.connect(portal.port, each) for each in sent for _ in range(number)]
    return unfinished, [reader(portal) for _ in range(READERS)]


def test_pages_open_while_many_clients_send_and_read_nothing(start, engineer):
    portal = start(**PATIENT)
    cookies, _ = engineer
    unfinished, readers = hanging(portal)
    idle = [slow.connect(portal.port) for _ in range(MANY)]
    for _ in range(PAGES_READ):
        assert page(portal)[:2] == (200, "ok\n")
        assert page(portal, "/accounts/login/")[0] == 200
        assert page(portal, BIG, cookies=cookies)[0] == 200
    assert slow.are_open(unfinished) == 3 * MANY
    assert all(client.recv(1) == b"H" for client in readers)
    assert idle


def test_what_does_not_arrive_in_time_is_answered_408_and_an_idle_connection_ends_without(start, engineer):
    portal = start(**SHORT)
    unfinished, _ = hanging(portal)
    idle = [slow.connect(portal.port) for _ in range(MANY)]
    answers = [slow.read(client) for client in unfinished]
    assert [slow.status(answer) for answer in answers] == [408] * 3 * MANY
    assert all(b"Send it again" in answer for answer in answers)
    assert [slow.read(client) for client in idle] == [b""] * MANY
    assert page(portal, BIG, cookies=engineer[0])[0] == 200
    said = portal.log.read_text()
    assert "bodies" in said and "heads" in said


def test_answers_no_one_takes_are_cut_off(start):
    portal = start(**SHORT)
    client = reader(portal)
    while "1 readers of an answer" not in portal.log.read_text():
        time.sleep(0.05)
    length = int(page(portal, STATIC, "HEAD")[2]["Content-Length"])
    assert 0 < len(slow.read(client)) < ASKED * length


def test_a_thread_waits_only_for_a_reader_that_goes_on(monkeypatch):
    """An answer is larger than what is kept: an export that is made while it is read."""
    monkeypatch.setattr(answer_buffer, "MAX_KEPT", 1_000_000)
    waiters = threading.BoundedSemaphore(1)
    ours, theirs = socket.socketpair()
    box = answer_buffer.AnswerBuffer(ours, 0.2, waiters)
    with pytest.raises(BrokenPipeError, match="the reader is too slow"):
        box.sendall(b"x" * 5_000_000)
    ours, theirs = socket.socketpair()
    box = answer_buffer.AnswerBuffer(ours, 60, waiters)
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(lambda: [box.sendall(b"x" * 2_000_000) for _ in range(3)])
        theirs.settimeout(0.1)
        while not sent.done():
            with suppress(TimeoutError):
                theirs.recv(65536)
        sent.result()
    waiters.acquire()
    with pytest.raises(BrokenPipeError, match="too many threads wait"):
        box.sendall(b"x" * 5_000_000)


@pytest.mark.parametrize("begun", [slow.UNFINISHED_HEAD, slow.UNFINISHED_BODY])
def test_a_byte_now_and_then_does_not_put_the_deadline_off(begun, start):
    client = slow.connect(start(**SHORT).port, begun)
    client.settimeout(0.1)
    for _ in range(900):
        try:
            answer = client.recv(4096)
            break
        except TimeoutError:
            client.sendall(b"x")
    assert slow.status(answer) == 408


def test_more_connections_than_there_may_be_close_those_that_wait(start):
    portal = start(**PATIENT, GUNICORN_CMD_ARGS="--worker-connections=20")
    unfinished = [slow.connect(portal.port, slow.UNFINISHED_HEAD) for _ in range(MANY)]
    assert page(portal)[:2] == (200, "ok\n")
    assert slow.are_open(unfinished) < 20


def test_it_stops_while_clients_hang(start):
    portal = start(**{**PATIENT, **SHORT})
    hanging(portal, 5)
    portal.ask_to_stop()
    assert portal.wait(60) == 0


def test_requests_that_follow_each_other_on_a_connection_are_each_answered(start):
    client = slow.connect(
        start(**PATIENT).port, b"\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 2 + slow.UNFINISHED_HEAD
    )
    client.sendall(b"Connection: close\r\n\r\n")
    assert re.findall(rb"HTTP/1.1 (\d+)", slow.read(client)) == [b"200"] * 3


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"GET / HTTP/1.1\nHost: x\n\n", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 9000, 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + b"X: x\r\n" * 12_000, 431),
        (b"GET /" + b"x" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    ],
)
def test_what_is_no_request_is_refused_at_once(sent, expected, start):
    portal = start(**PATIENT)
    assert slow.status(slow.read(slow.connect(portal.port, sent))) == expected
    assert page(portal)[:2] == (200, "ok\n")


# How much is read


def head(path, *headers, cookies=""):
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Cookie: {cookies}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def test_a_large_body_is_refused_before_it_is_sent(start, engineer):
    """Only heads are sent: whoever waited for the body would not answer."""
    portal = start(**PATIENT)
    cookies, _ = engineer
    for path, size, who, words in [
        ("/accounts/login/", 65_537, "", b"at most 64 kB"),
        (BIG, 65_537, "", b"at most 64 kB"),
        (BIG, 65_537, "sessionid=made-up", b"at most 64 kB"),
        ("/admin/login/", 65_537, "", b"at most 64 kB"),
        ("/deputies/", 65_537, cookies, b"at most 64 kB"),
        ("/nowhere/", 65_537, cookies, b"at most 64 kB"),
        ("/admin/keys_app/team/", 262_145, cookies, b"at most 256 kB"),
        (BIG, 12 * 1024 * 1024 + 1, cookies, b"at most 12,288 kB"),
        (BIG, 10**30, cookies, b"at most 12,288 kB"),
    ]:
        answer = slow.read(slow.connect(portal.port, head(path, f"Content-Length: {size}", cookies=who)))
        assert slow.status(answer) == 413, (path, answer)
        assert words in answer


def test_the_same_holds_for_chunks(start, engineer):
    portal = start(**PATIENT)
    chunked = "Transfer-Encoding: chunked"
    announced = slow.connect(portal.port, head("/accounts/login/", chunked) + b"10001\r\n")
    assert slow.status(slow.read(announced)) == 413
    small = b"1000\r\n" + b"x" * 4096 + b"\r\n"
    added_up = slow.connect(portal.port, head(BIG, chunked) + small * 17)
    assert slow.status(slow.read(added_up)) == 413
    tiny = slow.connect(portal.port, head("/accounts/login/", chunked) + b"1;" + b"x" * 8000 + b"\r\nx\r\n")
    for _ in range(25):
        tiny.sendall(b"1;" + b"x" * 8000 + b"\r\nx\r\n")
    assert slow.status(slow.read(tiny)) == 413


def test_a_large_paste_is_read_of_who_is_signed_in(start, engineer):
    portal = start(**PATIENT)
    cookies, token = engineer
    paste = f"csrfmiddlewaretoken={token}&paste_only=1&paste=".encode() + b"x" * 1_000_000
    form = {"Content-Type": "application/x-www-form-urlencoded", "HX-Request": "true"}
    whole = page(portal, BIG, "POST", cookies, form, body=paste)
    assert whole[0] == 200 and "This is too long" in whole[1]
    pieces = [paste[at : at + 50_000] for at in range(0, len(paste), 50_000)]
    assert page(portal, BIG, "POST", cookies, form, body=iter(pieces), encode_chunked=True)[:2] == whole[:2]


def test_a_client_that_waits_to_be_asked_is_asked_only_for_what_is_read(start, engineer):
    portal = start(**PATIENT)
    cookies, token = engineer
    body = f"csrfmiddlewaretoken={token}&paste_only=1&paste=".encode().ljust(100_000, b"x")
    form = "Content-Type: application/x-www-form-urlencoded"
    asked = [form, f"Content-Length: {len(body)}", "Expect: 100-continue", "HX-Request: true", "Connection: close"]
    client = slow.connect(portal.port, head(BIG, *asked, cookies=cookies))
    assert slow.read_head(client) == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.sendall(body)
    assert slow.status(slow.read(client)) == 200
    assert slow.status(slow.read(slow.connect(portal.port, head(BIG, *asked)))) == 413


def test_a_small_body_in_chunks_reaches_the_page(start):
    portal = start(**PATIENT)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    by_length = page(portal, "/accounts/login/", "POST", headers=form, body=b"login=x")
    assert by_length[0] == 403  # without a token
    in_chunks = page(
        portal, "/accounts/login/", "POST", headers=form, body=iter([b"log", b"in=x"]), encode_chunked=True
    )
    assert in_chunks[0] == 403


def test_a_portal_behind_another_server_refuses_as_much(live_cast, client):
    """The test client hands everything to the portal at once, as a server would that reads all of it."""
    engineer = live_cast.client("engineer")
    large = {"data": "paste=" + "x" * 70_000, "content_type": "application/x-www-form-urlencoded"}
    assert client.post(BIG, **large).status_code == 413
    assert engineer.post("/deputies/", **large).status_code == 413
    assert engineer.post(BIG, **large).status_code == 422  # it was read
