"""A fresh clone of the project with its demo running, started by the README's command alone."""

import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import psycopg
import pytest
import requests

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 300
ON_SQLITE = pytest.mark.skipif(
    os.environ.get("DATABASE_URL", "").startswith("postgres"),
    reason="how pages look and the builder in the browser: the same on each database, tested on SQLite",
)
KEPT = ("PATH", "HOME", "LANG", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CONFIG_FILE", "PIP_CACHE_DIR")


def copy_checkout(target: Path) -> None:
    """Copy what a clone would hold, changes that are not committed yet included."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    for name in names:
        if (ROOT / name).exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def fresh_database() -> Iterator[dict[str, str]]:
    """Give an empty PostgreSQL database of its own where the tests run on PostgreSQL, as an environment."""
    url = os.environ.get("DATABASE_URL", "")
    if not url.startswith("postgres"):
        yield {}
        return
    name = f"key_portal_demo_{os.getpid()}"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
        yield {"DATABASE_URL": url.rpartition("/")[0] + "/" + name}
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type]


class Demo:
    """`make demo` in a directory of its own. `output` is everything it printed so far."""

    def __init__(self, directory: Path, **environment: str) -> None:
        self.directory = directory
        self.port = free_port()
        self.environment = {name: os.environ[name] for name in KEPT if name in os.environ}
        self.environment |= {"PORT": str(self.port), **environment}
        self.output = ""
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def password(self) -> str:
        match = re.search(r"Password for all: (\S+)", self.output)
        assert match, self.output
        return match.group(1)

    @property
    def standin_url(self) -> str:
        match = re.search(r"Twilio: (http://\S+)", self.output)
        assert match, self.output
        return match.group(1)

    def start(self) -> Self:
        self.output = ""
        self._process = subprocess.Popen(
            ["make", "demo"],
            cwd=self.directory,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._read, args=[self._process], daemon=True).start()
        deadline = time.monotonic() + START_SECONDS
        while "Stop with Ctrl-C." not in self.output:
            assert self._process.poll() is None and time.monotonic() < deadline, self.output
            time.sleep(0.1)
        return self

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout
        for line in process.stdout:
            self.output += line

    def manage(self, command: str) -> str:
        done = subprocess.run(
            ["make", "manage", f"c={command}"],
            cwd=self.directory,
            env=self.environment,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout

    def stop(self) -> int:
        """Ask it to stop, as Ctrl-C at a terminal does, and return its exit status."""
        assert self._process
        os.killpg(self._process.pid, signal.SIGINT)
        return self._process.wait(timeout=90)

    def kill(self) -> None:
        """Kill make and the demo's first process without warning."""
        assert self._process
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(timeout=10)

    def sign_in(self, name: str) -> requests.Session:
        """Return a session of a person who signed in through the form."""
        session = requests.Session()
        session.trust_env = False
        page = session.get(f"{self.url}/accounts/login/", timeout=30)
        answer = session.post(
            f"{self.url}/accounts/login/",
            data={"login": name, "password": self.password, "csrfmiddlewaretoken": token_in(page.text)},
            timeout=30,
        )
        assert answer.url == f"{self.url}/", answer.text
        return session


def token_in(page: str) -> str:
    """Return the CSRF token of a page's first form."""
    match = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert match, page
    return match.group(1)
