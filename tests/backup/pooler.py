"""Stands before PostgreSQL as a pooler does: it tells of its own connection, not of the server's process."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

NUMBER = (4_000_000).to_bytes(4, "big")
_KEY_DATA = b"K\x00\x00\x00\x0c"
"""How the message begins in which a server tells the number of its process."""


@contextmanager
def pooled(url: str) -> Iterator[str]:
    """Return the address of a pooler before the database of `url`."""
    parts = urlsplit(url)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = (parts.hostname or "127.0.0.1", parts.port or 5432)
        threading.Thread(target=_serve, args=(listening, server), daemon=True).start()
        user = parts.netloc.rpartition("@")[0]
        place = f"{user}@127.0.0.1:{listening.getsockname()[1]}"
        yield urlunsplit(parts._replace(netloc=place, query="sslmode=disable"))


def _serve(listening: socket.socket, server: tuple[str, int]) -> None:
    with suppress(OSError):
        while True:
            client = listening.accept()[0]
            behind = socket.create_connection(server)
            threading.Thread(target=_hand_on, args=(client, behind), daemon=True).start()
            threading.Thread(target=_hand_on, args=(behind, client), daemon=True).start()


def _hand_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            head, found, rest = data.partition(_KEY_DATA)
            target.sendall(head + found + NUMBER + rest[4:] if found else data)
        target.shutdown(socket.SHUT_WR)
