"""The simulator's HTTP side. It never prints a request: requests hold credentials."""

import base64
import os
import socket
import socketserver
import struct
import sys
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

from .api import Api
from .faults import BEFORE, Fault
from .messages import ACCESS_CONTROL, ALLOW_METHODS, Refusal, Reply, Request, not_found, unauthorized

HOST = "127.0.0.1"
_MAX_BODY = 1_000_000
_CONTROL = "/_sandbox/"


class Server(ThreadingHTTPServer):
    """Listens on 127.0.0.1 only. Use it in a `with` statement."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, api: Api, port: int) -> None:
        self.api = api
        self.stopping = threading.Event()
        super().__init__((HOST, port), Handler)

    @property
    def base_url(self) -> str:
        return f"http://{HOST}:{self.server_address[1]}"

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # without the slow reverse look-up of the usual HTTP server
        self.server_name, self.server_port = HOST, int(self.server_address[1])

    def stop(self) -> None:
        """End `serve_forever` and every wait of a fault."""
        self.stopping.set()
        self.shutdown()

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):  # a caller that hung up is what tests are for
            print(f"twilio_sandbox: {type(error).__name__} while answering", file=sys.stderr)


class Handler(BaseHTTPRequestHandler):
    """Reads one request after the other from a connection, and writes the simulator's answer."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # otherwise every answer on a kept connection is some 40 ms late
    timeout = 60

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        request = self._request()
        if request is None:
            self._send(Refusal(411, 20001, "a length of at most 1,000,000 bytes is required").reply)
            self.close_connection = True
            return
        try:
            reply = self._control(request) if request.path.startswith(_CONTROL) else self._operate(request)
        except Refusal as refusal:
            reply = refusal.reply
        if reply is None:
            self.close_connection = True
        else:
            self._send(reply)

    do_POST = do_DELETE = do_GET

    def do_OPTIONS(self) -> None:
        """Answer what a browser asks before it calls: with headers alone, and without a credential."""
        if self._request() is None:
            self.close_connection = True
        self._send(Reply(204, None))

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is no request, or has a method that no address has, in the form of any other refusal."""
        self.close_connection = True  # a body may still be on its way
        if code == HTTPStatus.NOT_IMPLEMENTED:
            reply = Refusal(405, 20004, "Method not allowed", {"Allow": ACCESS_CONTROL[ALLOW_METHODS]}).reply
        else:
            reply = Refusal(code, 20001, "not a request").reply
        self._send(reply)

    @property
    def _server(self) -> Server:
        return cast(Server, self.server)

    def _request(self) -> Request | None:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdigit() or int(length) > _MAX_BODY:
            return None
        body = self.rfile.read(int(length))
        parts = urlsplit(self.path)
        username, password = _basic(self.headers.get("Authorization", ""))
        base_url = f"http://{self.headers.get('Host') or self._server.base_url.partition('//')[2]}"
        is_form = "x-www-form-urlencoded" in self.headers.get("Content-Type", "")
        return Request(
            self.command,
            parts.path,
            base_url,
            dict(parse_qsl(parts.query, keep_blank_values=True)),
            dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)) if is_form else {},
            body,
            username,
            password,
        )

    def _operate(self, request: Request) -> Reply | None:
        """Answer one of Twilio's operations; None closes the connection without an answer."""
        api = self._server.api
        operation = api.operation(request)
        if operation is None:
            reply = api.ask_other(request)
            if reply is None:
                raise not_found(request.path)
            return reply
        api.count(operation, request)
        caller = api.authorize(operation, request)
        fault = api.faults.take(operation)
        if fault is not None and fault.name in BEFORE:
            return fault.instead(request.base_url + self.path)
        reply = api.perform(operation, request, caller, fault)
        return reply if fault is None else self._fail(fault, reply)

    def _fail(self, fault: Fault, reply: Reply) -> Reply | None:
        if fault.name == "hang":
            self._server.stopping.wait(fault.number("seconds", 30))
        if fault.name == "truncated":
            self.close_connection = True
        if fault.name == "reset":
            self._reset(reply)
            return None
        if fault.name != "drip":
            return fault.spoil(reply)
        head, body = reply.head_and_body()
        if fault.options.get("part") == "body":
            self.wfile.write(head)
            head = b""
        self._drip(head + body, fault.number("interval", 0.2))
        return None

    def _reset(self, reply: Reply) -> None:
        """Send the head and half of the body, then break the connection off, which is not the same as closing it."""
        head, body = reply.head_and_body()
        self.wfile.write(head + body[: len(body) // 2])
        self._server.stopping.wait(0.02)  # otherwise the caller may never see the half that was sent
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    def _drip(self, content: bytes, interval: float) -> None:
        for value in content:
            self.wfile.write(bytes((value,)))
            if self._server.stopping.wait(interval):
                return

    def _control(self, request: Request) -> Reply:
        """Answer the addresses that only tests use. They take the main credential."""
        api = self._server.api
        if not api.is_main(request):
            raise unauthorized()
        known: dict[tuple[str, str], Callable[[], Mapping[str, object] | None]] = {
            ("POST", "faults"): lambda: api.faults.add(request.body),
            ("POST", "mix"): lambda: api.faults.mix(request.body),
            ("POST", "credentials"): lambda: api.add_credential(request.body),
            ("POST", "accounts"): lambda: api.add_account(request.body),
            ("POST", "scope"): lambda: api.scope_keys(request.body),
            ("POST", "age"): lambda: api.age(request.body),
            ("POST", "limit"): lambda: api.limit_keys(request.body),
            ("DELETE", "faults"): api.clear_orders,
            ("DELETE", "hidden"): api.show_hidden,
            ("POST", "key"): lambda: api.change_key(request.body),
            ("POST", "remember"): api.remember,
            ("POST", "recall"): api.recall,
            ("DELETE", "keys"): api.delete_all,
            ("GET", "keys"): lambda: {"keys": api.all_keys()},
            ("GET", "truth"): api.truth,
            ("GET", "requests"): api.counts,
        }
        action = known.get((request.method, request.path.removeprefix(_CONTROL)))
        if action is None:
            raise not_found(request.path)
        content = action()
        return Reply(204, None) if content is None else Reply(200, content)

    def _send(self, reply: Reply) -> None:
        self.wfile.write(b"".join(reply.head_and_body()))


def _basic(header: str) -> tuple[str, str]:
    """Return username and password of an Authorization header; empty ones if unreadable."""
    kind, _, encoded = header.partition(" ")
    if kind.lower() != "basic":
        return "", ""
    try:
        username, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return username, password
