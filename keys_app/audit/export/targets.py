"""Where events are pushed to: a webhook, or syslog over UDP, TCP or TLS."""

import contextlib
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from keys_app.core.errors import NotConfigured, PortalError
from keys_app.core.http.guard import Guard
from keys_app.core.http.public_addresses import is_https_or_loopback
from keys_app.core.http.safe_post import Outcome, post
from keys_app.core.secret import Secret

from . import syslog

TIMEOUT, DEADLINE = 10.0, 60.0
"""Seconds for each step, and for all of one sending: a peer that reads or answers bit by bit holds up no process."""
_PORTS = {"syslog+udp": 514, "syslog+tcp": 601, "syslog+tls": 6514}
_LARGEST_DATAGRAM = 65_507


class PushFailed(PortalError):
    """The other side did not take the events. They are sent again."""


class Target(Protocol):
    """Takes the audit's events."""

    def send(self, events: Sequence[tuple[int, str]]) -> None:
        """Hand over events, each a number and its canonical JSON. Raises `PushFailed`."""


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """Posts events as a JSON object; an answer of 200 to 299 says that they were taken."""

    url: str
    token: Secret | None

    def send(self, events: Sequence[tuple[int, str]]) -> None:
        lines = ",\n".join(f'{{"event":{text},"index":{number - 1}}}' for number, text in events)
        outcome = self._post(f'{{"events":[{lines}],"next":{events[-1][0]}}}\n'.encode())
        if outcome.status and not 200 <= outcome.status < 300:
            raise PushFailed(f"The webhook answered {outcome.status}.")
        if outcome.problem:
            raise PushFailed(f"The webhook did not take the events: {outcome.problem}.")

    def _post(self, body: bytes) -> Outcome:
        """Send once. What raises is not in here, where the token is in a header."""
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token.reveal()}"
        return post(self.url, body, headers, timeout=TIMEOUT, deadline=DEADLINE, allowed=lambda _: True)


@dataclass(frozen=True, slots=True)
class SyslogTarget:
    """Sends events as RFC 5424 messages. A stream is closed after them, and has to be closed by the other side too.

    Datagrams are not acknowledged: what is lost on the way is not sent again.
    """

    transport: str
    host: str
    port: int

    def send(self, events: Sequence[tuple[int, str]]) -> None:
        messages = [syslog.message(text, socket.gethostname()) for _, text in events]
        try:
            if self.transport == "syslog+udp":
                self._datagrams(messages)
            else:
                self._stream(messages)
        except (OSError, ssl.SSLError) as error:
            raise PushFailed(f"The syslog server did not take the events: {error}.") from None

    def _datagrams(self, messages: list[bytes]) -> None:
        family, _, _, _, address = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, socket.SOCK_DGRAM) as sender:
            for text in messages:
                sender.sendto(text[:_LARGEST_DATAGRAM], address)

    def _stream(self, messages: list[bytes]) -> None:
        """Send all within `DEADLINE`; what the peer has closed by then counts as taken. Raises `OSError`."""
        with Guard(DEADLINE) as guard:
            with guard.open_socket(self.host, self.port, TIMEOUT) as plain, self._secured(plain) as stream:
                stream.sendall(b"".join(map(syslog.framed, messages)))
                self._wait_until_read(stream)
            if guard.expired:  # a connection that the guard has shut down looks like one that the peer closed
                raise TimeoutError("it did not read them before the deadline")

    def _wait_until_read(self, stream: socket.socket) -> None:
        if isinstance(stream, ssl.SSLSocket):
            with contextlib.suppress(ssl.SSLError):  # many servers close without a word; a reset is another error
                stream.unwrap()
            return
        stream.shutdown(socket.SHUT_WR)
        while stream.recv(4096):  # until the other side has read it all and closed
            pass

    def _secured(self, plain: socket.socket) -> socket.socket:
        if self.transport != "syslog+tls":
            return plain
        return ssl.create_default_context().wrap_socket(plain, server_hostname=self.host)


def target_of(url: str, token: Secret | None) -> Target:
    """Return the target an address means. Raises `NotConfigured` for anything else."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    if host and parts.scheme in _PORTS and not parts.path.strip("/"):
        return SyslogTarget(parts.scheme, host, port or _PORTS[parts.scheme])
    if host and is_https_or_loopback(parts):
        return WebhookTarget(url, token)
    raise NotConfigured(
        "Set PORTAL_AUDIT_PUSH_URL to https://…, or to syslog+tls://host:port, syslog+tcp://… or syslog+udp://…."
    )
