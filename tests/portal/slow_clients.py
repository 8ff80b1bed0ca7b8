"""Clients of a portal over plain sockets, which send and read as slowly as they like."""

import contextlib
import select
import socket
from collections.abc import Iterable

UNFINISHED_HEAD = b"GET /accounts/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
UNFINISHED_BODY = UNFINISHED_HEAD.replace(b"GET", b"POST") + b"Content-Length: 1000\r\n\r\nlogin="

OPEN: list[socket.socket] = []


def connect(port: int, sent: bytes = b"", *, buffer: int = 0) -> socket.socket:
    """Return a connection that has sent so much. One with a small `buffer` takes little before it is read."""
    client = socket.socket()
    OPEN.append(client)
    if buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    client.settimeout(60)
    client.connect(("127.0.0.1", port))
    client.sendall(sent)
    return client


def read(client: socket.socket) -> bytes:
    """Return what comes until the portal ends the connection."""
    found = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while piece := client.recv(65536):
            found += piece
    return bytes(found)


def read_head(client: socket.socket) -> bytes:
    """Return an answer's head, and whatever came with it."""
    found = bytearray()
    while b"\r\n\r\n" not in found and (piece := client.recv(65536)):
        found += piece
    return bytes(found)


def status(answer: bytes) -> int:
    """Return the status of an answer, 0 if there was none."""
    return int(answer.split(b" ", 2)[1]) if answer else 0


def are_open(clients: Iterable[socket.socket]) -> int:
    """Return how many connections the portal has neither answered nor ended."""
    return sum(not select.select([client], [], [], 0)[0] for client in clients)


def hang_up() -> None:
    """Close every connection there is."""
    while OPEN:
        OPEN.pop().close()
