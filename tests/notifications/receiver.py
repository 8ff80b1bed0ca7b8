"""A real HTTP server on this machine that webhooks are pointed at. The path says how it behaves."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class _Handler(BaseHTTPRequestHandler):
    server: "_Server"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, dict(self.headers), body))
        behaviour = getattr(self, f"_{self.path.strip('/')}", None)
        if behaviour:
            behaviour()
        else:
            self._answer(int(self.path.strip("/")))

    def do_GET(self) -> None:
        self.server.seen.append((self.path, dict(self.headers), b""))
        self._answer(200)

    def _answer(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _redirect(self) -> None:
        self._answer(307, Location="/200")

    def _silent(self) -> None:
        self.server.end.wait(30)

    def _drip(self) -> None:
        """Send a byte now and then: no single read waits long, and the answer never ends."""
        self.send_response(200)
        self.end_headers()
        while not self.server.end.is_set():
            try:
                self.wfile.write(b".")
            except OSError:
                return
            time.sleep(0.05)

    def _large(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            for _ in range(100):
                self.wfile.write(b"x" * 65_536)
        except OSError:
            return

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        self.end = threading.Event()


class Receiver:
    """`seen` holds path, headers and body of every request, in order."""

    def __enter__(self) -> Self:
        self._server = _Server()
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self.seen = self._server.seen
        threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.end.set()
        self._server.shutdown()
        self._server.server_close()
