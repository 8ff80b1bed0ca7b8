"""A way to Twilio that takes time: TLS to an address of this machine, each round trip as long as is asked for."""

import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress

CHUNK = 65536


class Far:
    """Listens for TLS and passes what comes to a plain port of this machine, late.

    `round_trip`, in seconds, is what TCP's handshake takes, TLS's, and a request with its answer; the loopback's own
    handshake takes no time, so what a client sends first is kept back for one more.
    """

    def __init__(self, port: int, tls: ssl.SSLContext, round_trip: float) -> None:
        self._to, self._tls, self._round_trip = port, tls, round_trip
        self._inner, self._outer = _listening(), _listening()
        threading.Thread(target=self._accept, args=(self._outer, self._delay), daemon=True).start()
        threading.Thread(target=self._accept, args=(self._inner, self._unwrap), daemon=True).start()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._outer.getsockname()[1]}"

    def close(self) -> None:
        for one in (self._inner, self._outer):
            one.close()

    def _accept(self, listening: socket.socket, serve: Callable[[socket.socket], None]) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()

    def _delay(self, near: socket.socket) -> None:
        far = _to(self._inner.getsockname()[1])
        threading.Thread(target=_pump, args=(far, near, self._round_trip / 2, 0.0), daemon=True).start()
        _pump(near, far, self._round_trip / 2, self._round_trip)

    def _unwrap(self, raw: socket.socket) -> None:
        with suppress(OSError):
            plain, far = self._tls.wrap_socket(raw, server_side=True), _to(self._to)
            threading.Thread(target=_pump, args=(far, plain, 0.0, 0.0), daemon=True).start()
            _pump(plain, far, 0.0, 0.0)


def _listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def _to(port: int) -> socket.socket:
    connected = socket.create_connection(("127.0.0.1", port))
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connected


def _pump(source: socket.socket, target: socket.socket, delay: float, at_first: float) -> None:
    """Pass on what comes, each piece `delay` seconds after it came, and none before `at_first` is over as well."""
    begun, waiting = time.monotonic(), queue.Queue[tuple[float, bytes]]()
    if not delay:
        _pass_on(source, target)
        return
    threading.Thread(target=_deliver, args=(waiting, target), daemon=True).start()
    data = b"begin"
    while data:
        try:
            data = source.recv(CHUNK)
        except OSError:
            data = b""
        waiting.put((max(time.monotonic(), begun + at_first) + delay, data))


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(CHUNK):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _deliver(waiting: "queue.Queue[tuple[float, bytes]]", target: socket.socket) -> None:
    with suppress(OSError):
        while True:
            due, data = waiting.get()
            time.sleep(max(0.0, due - time.monotonic()))
            if not data:
                target.shutdown(socket.SHUT_WR)
                return
            target.sendall(data)
