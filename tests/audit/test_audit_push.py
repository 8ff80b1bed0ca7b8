"""Pushing the audit to another system: in order, each event at least once, from where it stopped."""

import contextlib
import json
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from keys_app.audit import ledger
from keys_app.audit.export import forward, targets
from keys_app.audit.export.targets import PushFailed
from keys_app.audit.merkle import checkpoints
from keys_app.audit.models import PushPosition
from tests.twilio_iam.wire import tls_context

from .tampering import fill, set_back


def append(count):
    with transaction.atomic():
        for number in range(count):
            ledger.append(ledger.Entry("test.event", "a test", reason=f"é\n{number}"))


class Hook(BaseHTTPRequestHandler):
    """A webhook that answers what `server.answers` says, then 204."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.server.answers.pop(0) if self.server.answers else 204
        if status < 300:
            self.server.taken.append((self.headers.get("Authorization"), json.loads(body)))
        self.send_response(status)
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *args):
        pass


@contextmanager
def serving(server) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def hook(db, settings):
    server = HTTPServer(("127.0.0.1", 0), Hook)
    server.answers, server.taken = [], []
    settings.AUDIT_PUSH_URL = f"http://127.0.0.1:{server.server_port}/events"
    settings.AUDIT_PUSH_TOKEN = "token-of-the-siem"
    with serving(server):
        yield server


def run():
    out = StringIO()
    call_command("audit_push", stdout=out)
    return out.getvalue().strip()


def indexes(server):
    return [line["index"] for _, body in server.taken for line in body["events"]]


def test_every_event_arrives_once_and_in_order(hook, monkeypatch):
    monkeypatch.setattr(forward, "AT_ONCE", 4)
    append(10)
    assert run() == "10 events pushed"
    assert indexes(hook) == list(range(10))
    assert {token for token, _ in hook.taken} == {"Bearer token-of-the-siem"}
    assert hook.taken[0][1]["events"][0]["event"] == json.loads(ledger.event(1).canonical)
    assert run() == "0 events pushed"
    append(1)
    assert run() == "1 event pushed"
    assert indexes(hook) == list(range(11))


def test_the_seam_after_a_loss_is_pushed_with_what_was_abandoned(hook):
    fill(5)
    checkpoints.sign()
    run()
    set_back(3)
    PushPosition.objects.update(sequence=3)
    call_command("audit_recover", reason="The disk failed")
    run()
    assert indexes(hook) == [0, 1, 2, 3, 4, 3, 4]  # the receiver keeps what was lost, and is told
    seam = hook.taken[-1][1]["events"][-1]["event"]
    assert (seam["action"], seam["reason"]) == ("audit.recovered", "The disk failed")
    assert [one["size"] for one in seam["details"]["abandoned"]] == [5]


@pytest.mark.parametrize("status", [301, 307, 400, 401, 500, 503])
def test_what_was_not_taken_is_sent_again(hook, monkeypatch, status):
    monkeypatch.setattr(forward, "AT_ONCE", 2)
    append(5)
    hook.answers = [200, status]
    with pytest.raises(CommandError, match=f"answered {status}"):
        run()
    assert indexes(hook) == [0, 1]
    assert run() == "3 events pushed"
    assert indexes(hook) == [0, 1, 2, 3, 4]


def test_a_crash_before_the_place_is_stored_sends_again_and_loses_nothing(hook, monkeypatch):
    append(3)

    def crash():
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(forward.timezone, "now", crash)
        run()
    assert run() == "3 events pushed"
    assert indexes(hook) == [0, 1, 2, 0, 1, 2]


def test_nobody_there(db, settings):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    append(1)
    for url in (f"http://127.0.0.1:{port}/", f"syslog+tcp://127.0.0.1:{port}"):
        settings.AUDIT_PUSH_URL = url
        with pytest.raises(CommandError, match="goes on from there"):
            run()
    assert not PushPosition.objects.exclude(sequence=0).exists()


class Lines(socketserver.BaseRequestHandler):
    """A syslog server: octet-counted messages over a stream."""

    def handle(self):
        data = b""
        while some := self.request.recv(4096):
            data += some
        while data[:1].isdigit():
            length, _, data = data.partition(b" ")
            self.server.taken.append(data[: int(length)])
            data = data[int(length) :]


def test_syslog_over_a_stream(db, settings):
    append(3)
    with socketserver.TCPServer(("127.0.0.1", 0), Lines) as server:
        server.taken = []
        settings.AUDIT_PUSH_URL = f"syslog+tcp://127.0.0.1:{server.server_address[1]}"
        with serving(server):
            assert run() == "3 events pushed"
    assert len(server.taken) == 3
    for number, message in enumerate(server.taken, 1):
        head, _, text = message.partition(b" \xef\xbb\xbf")
        fields = head.decode().split(" ", 6)
        assert fields[0] == "<109>1"
        assert fields[1].endswith("Z")
        assert fields[3:6] == ["key-portal", "-", "test.event"]
        assert fields[6] == f'[meta sequenceId="{number}"]'
        assert text.decode() == ledger.event(number).canonical


class Stuck(socketserver.BaseRequestHandler):
    """A peer that never reads, or reads all and then sends a byte now and then instead of closing."""

    def handle(self):
        if self.server.reads:
            self.request.recv(65_536)
        while not self.server.over.wait(0.02):
            with contextlib.suppress(OSError):
                self.request.send(b"x" if self.server.reads else b"")


@pytest.mark.parametrize("reads", [False, True])
def test_a_syslog_peer_that_hangs_holds_the_process_up_until_the_deadline_only(db, settings, monkeypatch, reads):
    monkeypatch.setattr(targets, "DEADLINE", 0.5)
    append(3)
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Stuck) as server:
        server.reads, server.over, server.daemon_threads = reads, threading.Event(), True
        settings.AUDIT_PUSH_URL = f"syslog+tcp://127.0.0.1:{server.server_address[1]}"
        with serving(server), pytest.raises(CommandError, match="did not take the events"):
            try:
                run()
            finally:
                server.over.set()
    assert not PushPosition.objects.exclude(sequence=0).exists()


def test_syslog_by_datagrams(db, settings):
    append(2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        settings.AUDIT_PUSH_URL = f"syslog+udp://127.0.0.1:{receiver.getsockname()[1]}"
        assert run() == "2 events pushed"
        assert receiver.recv(70_000).endswith(ledger.event(1).canonical.encode())
        assert receiver.recv(70_000).endswith(ledger.event(2).canonical.encode())


class TlsServer(socketserver.TCPServer):
    """A syslog server with a certificate. The first `broken` connections are reset before anything is read."""

    def __init__(self, context):
        super().__init__(("127.0.0.1", 0), TlsLines)
        self.taken, self.broken, self.context = [], 0, context

    def get_request(self):
        plain, address = super().get_request()
        return self.context.wrap_socket(plain, server_side=True), address

    def handle_error(self, request, client_address):
        pass


class TlsLines(Lines):
    def handle(self):
        if self.server.broken:
            self.server.broken -= 1
            raw = socket.socket(fileno=self.request.detach())
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, not an end
            raw.close()
            return
        super().handle()


def test_syslog_over_tls_with_a_trusted_certificate(db, settings, tmp_path, monkeypatch):
    context, trusted = tls_context(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", trusted)
    append(3)
    with TlsServer(context) as server:
        settings.AUDIT_PUSH_URL = f"syslog+tls://127.0.0.1:{server.server_address[1]}"
        server.broken = 1
        with serving(server):
            with pytest.raises(CommandError, match="goes on from there"):
                run()
            assert server.taken == []
            assert run() == "3 events pushed"
            append(1)
            assert run() == "1 event pushed"
    texts = [message.partition(b" \xef\xbb\xbf")[2].decode() for message in server.taken]
    assert texts == [ledger.event(number).canonical for number in range(1, 5)]


@pytest.mark.parametrize(
    ("host", "trusts", "why"), [("127.0.0.1", False, "self-signed"), ("localhost", True, "mismatch")]
)
def test_a_server_without_a_trusted_certificate_gets_nothing(db, settings, tmp_path, monkeypatch, host, trusts, why):
    context, trusted = tls_context(tmp_path)
    if trusts:
        monkeypatch.setenv("SSL_CERT_FILE", trusted)
    append(1)
    with TlsServer(context) as server:
        settings.AUDIT_PUSH_URL = f"syslog+tls://{host}:{server.server_address[1]}"
        with serving(server), pytest.raises(CommandError, match=why):
            run()
    assert server.taken == []
    assert not PushPosition.objects.exclude(sequence=0).exists()


@pytest.mark.parametrize(
    "url",
    ["", "ftp://host/", "http://example.org/", "syslog+tcp://", "syslog://host", "https://", "nonsense", "http://["],
)
def test_a_wrong_address_is_said_before_anything_is_sent(db, settings, url):
    settings.AUDIT_PUSH_URL = url
    with pytest.raises(CommandError, match="PORTAL_AUDIT_PUSH_URL"):
        run()
    with pytest.raises(CommandError, match="at least 1 second"):
        call_command("audit_push", every=0)


def test_the_token_is_never_in_what_is_said(hook, caplog):
    append(1)
    hook.answers = [500]
    with pytest.raises(PushFailed) as caught:
        forward.push(forward.configured())
    assert "token-of-the-siem" not in repr(caught.value) + caplog.text + repr(forward.configured())
