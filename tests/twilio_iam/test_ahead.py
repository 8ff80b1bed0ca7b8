"""A connection that is made ahead: a handshake is no exchange, and what came of it counts for two seconds only."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from keys_app.core.http import ahead, connection
from keys_app.core.secret import Secret
from keys_app.twilio_iam.errors import NotProcessed, OutcomeUnknown
from keys_app.twilio_iam.transport import Limits, Transport

from . import wire as twilio_iam_wire
from .wire import CREATED, Wire, answer

LIMITS = Limits(connect=2.0, read=2.0, deadline=10.0)
Open = Callable[..., tuple[Wire, Transport]]


@pytest.fixture(params=["tls", "plain"])
def opened(wire: type[Wire], tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Open]:
    """Return what starts a server that plays a script, and gives a transport to it."""
    transports = []

    def start(script: twilio_iam_wire.Script, **options: bool) -> tuple[Wire, Transport]:
        context, trusted = twilio_iam_wire.tls_context(tmp_path)
        server = wire(script, tls=context if request.param == "tls" else None, **options)
        transports.append(Transport(server.base_url, "SK1", Secret("pass-word"), LIMITS, ca_file=trusted))
        return server, transports[-1]

    yield start
    for one in transports:
        one.close()


def made(transport: Transport) -> None:
    """Begin a connection and wait until it is there, and the server has taken it."""
    transport.connect_ahead()
    assert transport._ahead
    transport._ahead._thread.join(10)
    time.sleep(0.1)


def test_the_request_goes_over_the_connection_that_was_made_ahead(opened: Open) -> None:
    server, transport = opened(answer("201 Created", CREATED))
    made(transport)
    assert (server.accepted, server.received) == (1, [])
    got = transport.exchange("POST", "/v1/Keys", form={"a": "b"})
    assert got.body and got.body.reveal().encode("latin-1") == CREATED
    assert (server.accepted, len(server.received)) == (1, 1)


def test_one_connection_carries_one_exchange(opened: Open) -> None:
    server, transport = opened(answer("201 Created", CREATED))
    made(transport)
    for _ in range(2):
        transport.exchange("POST", "/v1/Keys")
    assert (server.accepted, len(server.received)) == (2, 2)


def test_what_is_not_used_is_closed_without_a_byte_of_a_request(opened: Open) -> None:
    heard, closed = [], threading.Event()

    def listen(sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            sock.settimeout(10)
            heard.append(sock.recv(100))
        closed.set()

    server, transport = opened(listen, read=False)
    made(transport)
    transport.close()
    assert closed.wait(10)
    assert (server.accepted, b"".join(heard)) == (1, b"")


def test_one_that_is_too_old_is_thrown_away(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    server, transport = opened(answer("201 Created", CREATED))
    made(transport)
    monkeypatch.setattr(ahead, "FRESH", 0.0)
    assert transport.exchange("POST", "/v1/Keys").status == 201
    assert server.accepted == 2


@pytest.mark.parametrize("what", ["closed", "reset", "speaks unasked"])
def test_one_on_which_the_other_side_did_something_is_thrown_away(opened: Open, what: str) -> None:
    done, first = threading.Event(), threading.Event()

    def script(sock: socket.socket) -> None:
        if not first.is_set():
            first.set()
            if what == "reset":
                twilio_iam_wire.reset(sock)
            elif what == "speaks unasked":
                sock.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
            if what != "speaks unasked":
                sock.close()
            done.set()
            return
        twilio_iam_wire._request(sock)
        answer("201 Created", CREATED)(sock)

    server, transport = opened(script, read=False)
    made(transport)
    assert done.wait(10)
    time.sleep(0.1)  # until it has arrived: what comes later can't be noticed
    assert transport.exchange("POST", "/v1/Keys").body, "the answer is the second connection's"
    assert server.accepted == 2


def test_where_no_connection_could_be_made_nothing_was_processed(wire: type[Wire]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    transport = Transport(f"http://127.0.0.1:{port}", "SK1", Secret("x"), LIMITS)
    made(transport)
    with pytest.raises(NotProcessed, match="no connection could be made"):
        transport.exchange("POST", "/v1/Keys")


def test_an_untrusted_certificate_is_refused_ahead_too(wire: type[Wire], tmp_path: Path) -> None:
    context, _ = twilio_iam_wire.tls_context(tmp_path)
    server = wire(answer("201 Created", CREATED), tls=context)
    transport = Transport(server.base_url, "SK1", Secret("x"), LIMITS)
    made(transport)
    with pytest.raises(NotProcessed, match="no secure connection"):
        transport.exchange("POST", "/v1/Keys")
    assert server.received == []


def test_once_the_request_may_have_left_the_outcome_is_unknown(opened: Open) -> None:
    server, transport = opened(lambda sock: None)
    made(transport)
    with pytest.raises(OutcomeUnknown):
        transport.exchange("POST", "/v1/Keys")
    assert (server.accepted, len(server.received)) == (1, 1)


def test_the_authorities_are_read_once(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    connection.tls_context.cache_clear()
    read = []
    load = ssl.SSLContext.load_verify_locations
    monkeypatch.setattr(
        ssl.SSLContext, "load_verify_locations", lambda *args, **kwargs: [read.append(args), load(*args, **kwargs)]
    )
    _, transport = opened(answer("201 Created", CREATED))
    for _ in range(3):
        transport.exchange("POST", "/v1/Keys")
    assert len(read) <= 1
    assert all(one.verify_mode is ssl.CERT_REQUIRED and one.check_hostname for one, *_ in read)
