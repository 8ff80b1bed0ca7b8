"""What gunicorn itself makes of headers that a proxy passes on, over a port and over a unix socket."""

import os
import re
import socket
import subprocess
import sys
import time

import pytest

from .test_settings import NEEDED, ROOT

SECONDS = 60


@pytest.fixture(scope="module", params=["a port", "a unix socket"])
def ask(request, tmp_path_factory):
    """Start gunicorn without a database; return what asks it for an address with these header lines."""
    tmp_path = tmp_path_factory.mktemp("gunicorn")
    if request.param == "a port":
        with socket.create_server(("127.0.0.1", 0)) as free:
            family, where = socket.AF_INET, free.getsockname()
        bind = f"{where[0]}:{where[1]}"
    else:
        family, where = socket.AF_UNIX, str(tmp_path / "portal.sock")
        bind = f"unix:{where}"
    environment = {
        "PATH": os.environ["PATH"],
        **NEEDED,
        "PORTAL_BIND": bind,
        "PORTAL_WORKERS": "1",
        "PORTAL_BASE_URL": "https://portal.example.com",
        "PORTAL_PROXY_ADDRESSES": "127.0.0.1",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'empty.sqlite3'}",
        "PORTAL_CHECKPOINT_DIR": str(tmp_path / "checkpoints"),
    }
    command = [sys.executable, "-m", "gunicorn", "-c", "portal/gunicorn_conf.py", "portal.wsgi"]
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)

    def asked(path, *lines):
        with socket.socket(family) as client:
            client.settimeout(SECONDS)
            client.connect(where)
            head = [f"GET {path} HTTP/1.1", "Host: portal.example.com", "Connection: close", *lines, "", ""]
            client.sendall("\r\n".join(head).encode("latin-1"))
            answer = b"".join(iter(lambda: client.recv(65536), b""))
        return answer.decode()

    try:
        end = time.monotonic() + SECONDS
        while True:
            try:
                asked("/healthz")
                break
            except OSError:
                assert server.poll() is None and time.monotonic() < end, (tmp_path / "log").read_text()
                time.sleep(0.1)
        yield asked
    finally:
        server.terminate()
        server.wait(SECONDS)


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https"],
        ["X-Forwarded-Proto: https", "X-Forwarded-Ssl: off", "X-Forwarded-Protocol: http"],
        ["SCRIPT_NAME: /elsewhere", "PATH_INFO: /elsewhere", "REMOTE_ADDR: 192.0.2.1", "X_Forwarded_For: nonsense"],
        ["X-Forwarded-Host: evil.example", "X-Forwarded-Port: 1", "Forwarded: host=evil.example"],
    ],
)
def test_a_header_changes_neither_the_path_nor_the_scheme(ask, lines):
    answer = ask("/keys/", *lines)
    assert answer.startswith("HTTP/1.1 302 "), answer
    assert re.search(r"^location: /accounts/login/\?next=/keys/\r$", answer, re.MULTILINE | re.IGNORECASE)
    assert "strict-transport-security: max-age=" in answer.lower()


def test_what_is_refused_is_refused_with_words(ask):
    for line, words in {
        "X-Forwarded-Proto: http": "came over http",
        "X-Forwarded-For: nonsense": "which address this request comes from",
        "X-Forwarded-For: fe80::1%": "which address this request comes from",
    }.items():
        answer = ask("/keys/", line)
        assert answer.startswith("HTTP/1.1 400 ") and words in answer, answer
