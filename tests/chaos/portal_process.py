"""The real gunicorn with the portal's own configuration, to be killed and started again."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Self

import requests

from tests.browser.checkout import ROOT, free_port

START_SECONDS = 60


class Child:
    """A forked process, with what is used here of `subprocess.Popen`."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._status: int | None = None

    def poll(self) -> int | None:
        """Return the exit status once it has ended."""
        if self._status is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            self._status = os.waitstatus_to_exitcode(status) if ended else None
        return self._status

    def wait(self, seconds: float) -> int:
        deadline = time.monotonic() + seconds
        while (status := self.poll()) is None:
            assert time.monotonic() < deadline, f"process {self.pid} does not end"
            time.sleep(0.005)
        return status

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)


class PortalProcess:
    """Gunicorn with its workers on a free port of 127.0.0.1. Its output goes to the file `log`."""

    def __init__(
        self, log: Path, *, port: int = 0, module: str = "tests.chaos.wsgi", **environment: str
    ) -> None:  # fmt: skip
        self.log = log
        self.port = port or free_port()
        self._module = module
        self._environment = {
            **os.environ,
            **environment,
            "PORTAL_BASE_URL": self.url,
            "PORTAL_BIND": f"127.0.0.1:{self.port}",
        }
        self._process: subprocess.Popen[bytes] | Child | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Start it and wait until it answers. The application is loaded once and forked: a worker is back at once."""
        self._process = self._launch()
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            assert self.is_alive() and time.monotonic() < deadline, self.log.read_text()[-3000:]
            time.sleep(0.02)
        return self

    def _launch(self) -> "subprocess.Popen[bytes] | Child":
        command = [sys.executable, "-m", *self._arguments()]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command, cwd=ROOT, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )

    def _arguments(self) -> list[str]:
        return ["gunicorn", "-c", "portal/gunicorn_conf.py", "--preload", self._module]

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


class ForkedPortal(PortalProcess):
    """The same gunicorn, forked from this process, which has Django loaded: it starts in a quarter of a second.

    Its settings are those of this process, read once; only for a world whose portal is stopped and started often.
    """

    def _launch(self) -> Child:
        from django.db import connections

        connections.close_all()  # two processes must not speak over one connection
        pid = os.fork()
        if not pid:
            self._serve_and_exit()
        return Child(pid)

    def _serve_and_exit(self) -> None:
        """Do what `python -m gunicorn` does, and never come back."""
        status = 1
        try:
            os.setsid()
            log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(log, 1)
            os.dup2(log, 2)
            os.chdir(ROOT)
            os.environ.update(self._environment)
            sys.argv = self._arguments()
            from gunicorn.app.wsgiapp import run

            run()
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        except BaseException:  # noqa: BLE001 it is told, and the process ends
            os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(status)
