"""What a raw server does to a create: the kind of error, one connection, one request."""

import gzip
import json
import socket
import threading
import time
from typing import Any

import pytest

from keys_app.twilio_iam.errors import NotProcessed, OutcomeUnknown, Rejected

from . import wire as twilio_iam_wire
from .wire import ACCOUNT, CEILING, CREATED, KEY, Script, Wire, answer, create, drip


def test_it_sends_exactly_the_documented_form(wire: type[Wire]) -> None:
    server = wire(answer("201 Created", CREATED))
    assert create(server.base_url + "/") is None
    head, _, body = server.received[0].partition(b"\r\n\r\n")
    assert body == (
        b"AccountSid=" + ACCOUNT.encode() + b"&FriendlyName=n&KeyType=restricted"
        b"&Policy=%7B%22allow%22%3A%5B%22%2Ftwilio%2Fvoice%2Fcalls%2Fread%22%5D%7D"
    )
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /v1/Keys HTTP/1.1"
    assert {
        "Accept: application/json",
        "Accept-Encoding: identity",
        "Authorization: Basic U0sxOnBhc3Mtd29yZA==",
        "Content-Type: application/x-www-form-urlencoded",
        "User-Agent: twilio-key-portal",
    } <= set(lines)


@pytest.mark.parametrize(
    "status", ["200 OK", "202 Accepted", "204 No Content", "301 Moved", "304 Not Modified",
               "307 Temporary Redirect", "308 Permanent Redirect", "408 Request Timeout", "425 Too Early",
               "500 Error", "502 Bad Gateway", "503 Service Unavailable", "599 Odd", "999 Odd"],
)  # fmt: skip
def test_only_a_201_is_a_success(wire: type[Wire], status: str) -> None:
    server = wire(answer(status, CREATED, "Location: /v1/Keys"))
    assert type(create(server.base_url)) is OutcomeUnknown
    assert len(server.received) == 1


@pytest.mark.parametrize(
    ("status", "body", "code", "message"),
    [
        ("400 Bad Request", b"<html>", None, "HTTP 400"),
        ("400 Bad Request", b"", None, "HTTP 400"),
        ("403 Forbidden", b'{"code": "70002", "message": ["x"]}', None, "HTTP 403"),
        ("409 Conflict", b'{"code": true, "message": "taken"}', None, "taken"),
        ("422 Odd", b'{"code": 5, "message": " "}', 5, "HTTP 422"),
        ("413 Too Large", b"x" * 3000, None, "HTTP 413"),
        ("400 Bad Request", b"[" * 2500, None, "HTTP 400"),
    ],
)
def test_a_4xx_is_a_refusal_whatever_its_body(
    wire: type[Wire], status: str, body: bytes, code: int | None, message: str
) -> None:
    error = create(wire(answer(status, body)).base_url, max_bytes=2600)
    assert isinstance(error, Rejected)
    assert (error.status, error.code, error.message) == (int(status[:3]), code, message)


@pytest.mark.parametrize(
    ("header", "seconds"), [("3", 3.0), ("0.5", 0.5), ("-1", 0.0), ("soon", None), ("nan", None),
                            ("Mon, 13 Jun 2016 22:50:08 GMT", 0.0), (None, None)],
)  # fmt: skip
def test_it_reads_how_long_to_wait(wire: type[Wire], header: str | None, seconds: float | None) -> None:
    headers = [] if header is None else [f"Retry-After: {header}"]
    error = create(wire(answer("429 Too Many Requests", b"", *headers)).base_url)
    assert isinstance(error, NotProcessed)
    assert error.retry_after == seconds


@pytest.mark.parametrize(
    "changes",
    [
        {"sid": None},
        {"sid": "SK123"},
        {"sid": KEY["sid"] + "\n"},
        {"secret": ""},
        {"secret": None},
        {"secret": 5},
    ],
)
def test_a_201_without_a_usable_key_is_unknown(wire: type[Wire], changes: dict[str, Any]) -> None:
    server = wire(answer("201 Created", json.dumps({**KEY, **changes}).encode()))
    assert type(create(server.base_url)) is OutcomeUnknown


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{", b"\xff\xfe\xff", b"[" * 100_000, b'{"sid": ' + b"9" * 5000 + b"}"]
)
def test_a_201_with_another_body_is_unknown(wire: type[Wire], body: bytes) -> None:
    assert type(create(wire(answer("201 Created", body)).base_url)) is OutcomeUnknown


def test_it_does_not_unpack_a_compressed_answer(wire: type[Wire]) -> None:
    server = wire(answer("201 Created", gzip.compress(CREATED), "Content-Encoding: gzip"))
    assert type(create(server.base_url)) is OutcomeUnknown


def test_a_huge_redirect_body_is_not_read_whole(wire: type[Wire]) -> None:
    sent: list[int] = []

    def script(sock: socket.socket) -> None:
        sock.sendall(b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /v1/Keys\r\n\r\n")
        for _ in range(200):
            sock.sendall(b"x" * 1_000_000)
            sent.append(1_000_000)

    server = wire(script)
    error = create(server.base_url, deadline=20.0)
    assert type(error) is OutcomeUnknown
    assert "307" in error.message
    assert sum(sent) < 100_000_000
    assert server.accepted == 1


BROKEN: dict[str, Script] = {
    "closed": lambda sock: None,
    "reset": twilio_iam_wire.reset,
    "not http": lambda sock: sock.sendall(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "cut in the headers": lambda sock: sock.sendall(b"HTTP/1.1 201 Created\r\nContent-"),
    "cut in the body": lambda sock: sock.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 999\r\n\r\n{"),
    "cut in a chunk": lambda sock: sock.sendall(
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b" % (len(CREATED) + 9, CREATED)
    ),
    "too many headers": lambda sock: sock.sendall(b"HTTP/1.1 201 Created\r\n" + b"A: b\r\n" * 500 + b"\r\n"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_answer_is_unknown(wire: type[Wire], case: str) -> None:
    server = wire(BROKEN[case])
    assert type(create(server.base_url)) is OutcomeUnknown
    assert (server.accepted, len(server.received)) == (1, 1)


def test_silence_is_unknown(wire: type[Wire]) -> None:
    server = wire(twilio_iam_wire.silence)
    assert type(create(server.base_url, read_timeout=0.3)) is OutcomeUnknown
    assert (server.accepted, len(server.received)) == (1, 1)


def test_a_dropped_connection_while_sending_is_unknown(wire: type[Wire]) -> None:
    def script(sock: socket.socket) -> None:
        sock.recv(1)
        twilio_iam_wire.reset(sock)

    assert type(create(wire(script, read=False).base_url)) is OutcomeUnknown


STARTS = {
    "status line": (b"HTTP/1.1", b" "),
    "headers": (b"HTTP/1.1 201 Created\r\n", b"A: b\r\n"),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": (b"HTTP/1.1 201 Created\r\nContent-Length: 100000\r\n\r\n", b" "),
    "body without a length": (b"HTTP/1.1 201 Created\r\n\r\n" + CREATED, b" "),
    "chunks": (b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
}


@pytest.mark.parametrize("case", STARTS)
def test_the_deadline_ends_a_drip(wire: type[Wire], case: str) -> None:
    server = wire(drip(*STARTS[case]))
    started = time.monotonic()
    error = create(server.base_url, read_timeout=10.0, deadline=0.4)
    assert time.monotonic() - started < CEILING
    assert type(error) is OutcomeUnknown
    assert "deadline" in error.message
    assert (server.accepted, len(server.received)) == (1, 1)


def test_nothing_is_left_running(wire: type[Wire]) -> None:
    server = wire(answer("201 Created", CREATED))
    create(server.base_url)
    left = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    for timer in left:
        timer.join(2)
    assert not [timer for timer in left if timer.is_alive()]
