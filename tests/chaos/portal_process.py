"""The real gunicorn with the portal's own configuration, to be killed and started again."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import requests

from tests.browser.checkout import ROOT, free_port

START_SECONDS = 60


class PortalProcess:
    """Gunicorn with its workers on a free port of 127.0.0.1. Its output goes to the file `log`."""

    def __init__(self, log: Path, *, module: str = "tests.chaos.wsgi", **environment: str) -> None:
        self.log = log
        self.port = free_port()
        self._module = module
        self._environment = {
            **os.environ,
            **environment,
            "PORTAL_BASE_URL": self.url,
            "PORTAL_BIND": f"127.0.0.1:{self.port}",
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Start it and wait until it answers. The application is loaded once and forked: a worker is back at once."""
        command = [sys.executable, "-m", "gunicorn", "-c", "portal/gunicorn_conf.py", "--preload", self._module]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            assert self.is_alive() and time.monotonic() < deadline, self.log.read_text()[-3000:]
            time.sleep(0.05)
        return self

    def answers(self) -> bool:
        try:
            with requests.Session() as session:
                session.trust_env = False
                return session.get(f"{self.url}/healthz", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def revive(self) -> None:
        """Start it again after everything was killed; a killed worker alone gunicorn starts again by itself."""
        self.kill()
        self.start()

    def ask_to_stop(self) -> None:
        """Send SIGTERM, as an operating system does before an update."""
        assert self._process
        self._process.send_signal(signal.SIGTERM)

    def wait(self, seconds: float) -> int:
        """Return the exit status once it has ended by itself."""
        assert self._process
        return self._process.wait(seconds)

    def kill(self) -> None:
        """Kill gunicorn and every worker without warning."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)
