"""How long pages take while 200 clients send and read a byte a second, beside how long without: `make bench`.

Gunicorn runs with the portal's own configuration, on SQLite or on the database of `DATABASE_URL`. A quarter each of the
clients sends a head, sends a body, says nothing, and takes no more than a byte a second of a big answer; who is cut off
comes back. In turns with and without them, one person after the other opens the pages of `overload`, and a probe asks.

The times depend on the machine and on what else it does, so they are printed and never judged.
"""

import contextlib
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Self

import requests

from tests.chaos.people import Person
from tests.chaos.world import World

from .overload import LIMIT, PATIENT, ROUNDS, SAMPLES, Bench

CLIENTS = 200
PAGES = ("home", "audit", "approval", "healthz")
BEGUN = {
    "heads": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ",
    "bodies": b"POST /accounts/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 60000\r\n\r\n",
    "idle": b"",
    "readers": b"GET /static/portal/portal.css HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 120,  # the kernel keeps 2.5 MB
}
SETTLE_SECONDS = 5.0


class SlowClient:
    """One client that sends or reads a byte each time it is told to, and begins anew when it was cut off."""

    def __init__(self, port: int, kind: str, seen: Counter[str]) -> None:
        self._port, self._kind, self._seen = port, kind, seen
        self._connect()

    def _connect(self) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        self._socket.connect(("127.0.0.1", self._port))
        self._socket.sendall(BEGUN[self._kind])
        self._socket.setblocking(False)

    def go_on(self) -> None:
        try:
            if self._kind in ("heads", "bodies"):
                self._socket.send(b"x")
            answer = self._socket.recv(1 if self._kind == "readers" else 4096)
            if answer and self._kind == "readers":
                return
            self._seen["answered 408" if b" 408 " in answer else "cut off"] += 1
        except BlockingIOError:
            return
        except OSError:
            self._seen["cut off"] += 1
        self.close()
        self._connect()

    def close(self) -> None:
        self._socket.close()


class Crowd:
    """The slow clients, from one thread, while a `with` block runs."""

    def __init__(self, port: int, seen: Counter[str]) -> None:
        self._clients = [SlowClient(port, kind, seen) for kind in BEGUN for _ in range(CLIENTS // len(BEGUN))]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._over.wait(1):
            for client in self._clients:
                with contextlib.suppress(OSError):
                    client.go_on()

    def __enter__(self) -> Self:
        self._thread.start()
        time.sleep(SETTLE_SECONDS)  # the first answers are made
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        for client in self._clients:
            client.close()


def main() -> int:
    seen: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="key-portal-bench-") as directory:
        world = World(Path(directory))
        try:
            world.start(module="portal.wsgi", **PATIENT)
            bench = Bench(world, world.portal, Person(world.portal.url, "security"))
            pages = {**bench.pages(), "healthz": lambda: requests.get(f"{world.portal.url}/healthz", timeout=60).text}
            bench.measure(pages, hangs=False, samples=5)
            bench.times.clear()  # the first pages of a process are slower
            for _ in range(ROUNDS):
                bench.measure(pages, hangs=False, samples=SAMPLES // 2)
                with Crowd(world.portal.port, seen):
                    bench.measure(pages, hangs=True)
                bench.measure(pages, hangs=False, samples=SAMPLES // 2)
        finally:
            world.stop()
    print(f"\n{CLIENTS} slow clients: {', '.join(f'{number} {what}' for what, number in sorted(seen.items()))}")
    print("| page | samples each | median without, ms | median with, ms | ratio | longest with, ms |")
    print("|---|---|---|---|---|---|")
    for name in PAGES:
        without, slow = (bench.times[name, crowd] for crowd in (False, True))
        quiet, loud = statistics.median(without), statistics.median(slow)
        ratio = f"{loud / quiet:.2f} (wanted: {LIMIT})"
        print(f"| {name} | {len(slow)} | {quiet:.1f} | {loud:.1f} | {ratio} | {max(slow):.1f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
