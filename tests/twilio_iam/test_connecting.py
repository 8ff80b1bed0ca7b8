"""What breaks before a request can be sent, and TLS: refused safely, and held to the deadline."""

import socket
import ssl
import threading
import time
from pathlib import Path

import pytest

from keys_app.core.secret import Secret
from keys_app.twilio_iam.errors import NotProcessed, OutcomeUnknown
from keys_app.twilio_iam.transport import Limits, Transport

from . import wire as twilio_iam_wire
from .wire import CEILING, CREATED, Script, Wire, answer, create, drip

STARTS = {
    "status line": (b"HTTP/1.1", b" "),
    "headers": (b"HTTP/1.1 201 Created\r\n", b"A: b\r\n"),
    "body without a length": (b"HTTP/1.1 201 Created\r\n\r\n" + CREATED, b" "),
}


def test_a_refused_connection_was_not_processed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    error = create(f"http://127.0.0.1:{port}")
    assert isinstance(error, NotProcessed)
    assert (error.retry_after, error.code) == (None, None)
    assert "connection" in error.message


def test_an_unknown_host_was_not_processed() -> None:
    error = create("https://does-not-exist.invalid")
    assert isinstance(error, NotProcessed)


def test_a_slow_look_up_of_the_host_was_not_processed(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: release.wait(20) and [])
    error = create("http://localhost:9", connect_timeout=0.2)
    release.set()
    assert isinstance(error, NotProcessed)
    assert "host name" in error.message


def test_a_connection_that_is_not_accepted_was_not_processed() -> None:
    with socket.socket() as full:  # a full backlog leaves further connections waiting
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(full.getsockname())
        error = create(f"http://127.0.0.1:{full.getsockname()[1]}", connect_timeout=0.3)
        for sock in waiting:
            sock.close()
    assert isinstance(error, NotProcessed)


TLS_FAILURES: dict[str, Script] = {
    "plain http": lambda sock: sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "closed": lambda sock: None,
    "reset": twilio_iam_wire.reset,
    "silent": twilio_iam_wire.silence,
    "drip": drip(b"\x16\x03\x03\x40\x00", b"\x02"),
}


@pytest.mark.parametrize("case", TLS_FAILURES)
def test_a_failed_handshake_was_not_processed(wire: type[Wire], case: str) -> None:
    server = wire(TLS_FAILURES[case], read=False)
    started = time.monotonic()
    error = create(f"https://127.0.0.1:{server.port}", connect_timeout=0.6, deadline=1.0)
    assert time.monotonic() - started < CEILING
    assert isinstance(error, NotProcessed)
    assert "connection" in error.message
    assert server.accepted == 1


def test_an_untrusted_certificate_was_not_processed(wire: type[Wire], tmp_path: Path) -> None:
    context, _ = twilio_iam_wire.tls_context(tmp_path)
    server = wire(answer("201 Created", CREATED), tls=context)
    assert isinstance(create(server.base_url), NotProcessed)
    assert server.received == []


def test_a_wrong_host_name_was_not_processed(wire: type[Wire], tmp_path: Path) -> None:
    context, trusted = twilio_iam_wire.tls_context(tmp_path)
    server = wire(answer("201 Created", CREATED), tls=context)
    transport = Transport(f"https://localhost:{server.port}", "SK1", Secret("x"), Limits(), ca_file=trusted)
    with pytest.raises(NotProcessed):
        transport.exchange("POST", "/v1/Keys")
    assert server.received == []


def test_a_tls_connection_that_breaks_later_is_unknown(wire: type[Wire], tmp_path: Path) -> None:
    context, trusted = twilio_iam_wire.tls_context(tmp_path)

    def garble(sock: socket.socket) -> None:
        assert isinstance(sock, ssl.SSLSocket)
        socket.socket(fileno=sock.detach()).sendall(b"not a TLS record at all")

    server = wire(garble, tls=context)
    transport = Transport(server.base_url, "SK1", Secret("x"), Limits(), ca_file=trusted)
    with pytest.raises(OutcomeUnknown):
        transport.exchange("POST", "/v1/Keys")
    assert len(server.received) == 1


@pytest.mark.parametrize("case", STARTS)
def test_the_deadline_ends_a_drip_under_tls(wire: type[Wire], tmp_path: Path, case: str) -> None:
    context, trusted = twilio_iam_wire.tls_context(tmp_path)
    server = wire(drip(*STARTS[case]), tls=context)
    limits = Limits(connect=2.0, read=10.0, deadline=1.0)
    transport = Transport(server.base_url, "SK1", Secret("pass-word"), limits, ca_file=trusted)
    started = time.monotonic()
    try:  # an answer that was cut off after its status line is handed back without a body
        got = transport.exchange("POST", "/v1/Keys", form={"a": "b"})
        assert got.body is None
        trouble = got.problem
    except OutcomeUnknown as error:
        trouble = error.message
    assert time.monotonic() - started < CEILING
    assert "deadline" in trouble
    assert len(server.received) == 1


def test_it_speaks_tls_to_whom_it_trusts(wire: type[Wire], tmp_path: Path) -> None:
    context, trusted = twilio_iam_wire.tls_context(tmp_path)
    server = wire(answer("201 Created", CREATED), tls=context)
    transport = Transport(server.base_url, "SK1", Secret("x"), Limits(), ca_file=trusted)
    got = transport.exchange("POST", "/v1/Keys")
    assert got.body and got.body.reveal().encode("latin-1") == CREATED
