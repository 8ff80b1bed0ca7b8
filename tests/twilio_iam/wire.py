"""A raw server that answers with given bytes, for what no well-behaved server sends."""

import contextlib
import datetime
import ipaddress
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from keys_app.core.secret import Secret
from keys_app.permissions.policy import Policy
from keys_app.twilio_iam.client import TwilioIamClient
from keys_app.twilio_iam.errors import TwilioError

ACCOUNT = "AC" + "a" * 32
KEY: dict[str, Any] = {
    "sid": "SK" + "b" * 32,
    "friendly_name": "n",
    "secret": "s" * 32,
    "policy": {"allow": []},
}
CEILING = 20.0
"""Seconds within which a deadline of about one second has certainly ended a call; a drip goes on for twice that."""
CREATED = json.dumps(KEY).encode()

Script = Callable[[socket.socket], None]


class Wire:
    """Accepts connections on a free port, reads each request and plays `script` on the socket.

    With `read=False` it plays the script at once, without waiting for a request. `received` holds the
    requests.
    """

    _open: ClassVar[list["Wire"]] = []

    def __init__(self, script: Script, *, tls: ssl.SSLContext | None = None, read: bool = True) -> None:
        self.received: list[bytes] = []
        self.accepted = 0
        self._script, self._tls, self._read = script, tls, read
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.stopping = threading.Event()
        self._open.append(self)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def base_url(self) -> str:
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}"

    def close(self) -> None:
        self.stopping.set()
        self._listener.close()

    @classmethod
    def close_all(cls) -> None:
        while cls._open:
            cls._open.pop().close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
            stack.enter_context(sock)
            if self._read:
                self.received.append(_request(sock))
            self._script(sock)


def _request(sock: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += sock.recv(65536) or b"\r\n\r\n"
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        chunk = sock.recv(65536)
        if not chunk:
            break
        body += chunk
    return head + b"\r\n\r\n" + body


def answer(status: str, body: bytes = b"", *headers: str) -> Script:
    """Play one whole answer with its length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return lambda sock: sock.sendall("\r\n".join(lines).encode() + body)


def drip(start: bytes, endless: bytes, interval: float = 0.05) -> Script:
    """Play `start`, then `endless` again and again, a byte at a time, for 40 seconds."""

    def script(sock: socket.socket) -> None:
        sock.sendall(start)
        ends = time.monotonic() + 2 * CEILING
        while time.monotonic() < ends:
            for value in endless:
                sock.sendall(bytes((value,)))
                time.sleep(interval)

    return script


def silence(sock: socket.socket) -> None:
    """Say nothing until the caller hangs up."""
    sock.settimeout(20)
    while sock.recv(65536):
        pass


def reset(sock: socket.socket) -> None:
    """Break the connection off with a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")


def tls_context(folder: Path) -> tuple[ssl.SSLContext, str]:
    """Return a server's context with a certificate of its own for 127.0.0.1, and the file to trust it by."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "server.pem"
    file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    trusted = folder / "ca.pem"
    trusted.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, str(trusted)


def create(base_url: str, **options: Any) -> TwilioError | None:
    """Try to create a key; return the error, None for success."""
    limits = {"connect_timeout": 2.0, "read_timeout": 2.0, "deadline": 5.0, **options}
    with TwilioIamClient(base_url=base_url, username="SK1", password=Secret("pass-word"), **limits) as client:
        try:
            client.create_restricted_key(
                account_sid=ACCOUNT, friendly_name="n", policy=Policy(("/twilio/voice/calls/read",))
            )
        except TwilioError as error:
            return error
    return None
