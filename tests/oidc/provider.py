"""An OpenID provider as a process, and a browser's way there and back without a browser."""

import fcntl
import json
import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import pytest
import requests
from django.test import Client

NODE = Path(__file__).resolve().parents[1] / "node"
START = "/accounts/oidc/company/login/"
CALLBACK = "/accounts/oidc/company/login/callback/"


def require_node() -> str:
    """Return the program. Without it, or without what it needs, tests are skipped, or fail under CI=true."""
    node, npm, package = shutil.which("node"), shutil.which("npm"), NODE / "node_modules" / "oidc-provider"
    with (NODE / "package-lock.json").open() as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # of several that test at once, one installs it
        if node and npm and not package.is_dir():
            options = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
            subprocess.run([npm, "ci", *options], cwd=NODE, check=False, capture_output=True)
    if node and package.is_dir():
        return node
    if os.environ.get("CI") == "true":
        pytest.fail("sign-in with OpenID Connect needs node and npm, and CI=true needs its tests")
    pytest.skip("sign-in with OpenID Connect: no node, or no oidc-provider, was found on this machine")


class Provider:
    """The provider; `says` who signs in there next."""

    def __init__(self, portal: str = "http://127.0.0.1:8000") -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.issuer = f"http://127.0.0.1:{free.getsockname()[1]}"
        self.portal = portal

    def __enter__(self) -> Self:
        port = str(urlsplit(self.issuer).port)
        command = [
            require_node(),
            "openid_provider.mjs",
            port,
            self.portal + CALLBACK,
            f"{self.portal}/accounts/login/",
        ]
        self._process = subprocess.Popen(
            command, cwd=NODE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout
        assert self._process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        assert self._process.stdout
        self._process.stdout.close()

    def says(self, account: str, **claims: Any) -> None:
        """Let this subject sign in next, with these claims; an empty one is a user who refuses."""
        body = json.dumps({"account": account, "claims": claims})
        requests.post(f"{self.issuer}/control", data=body, timeout=10).raise_for_status()

    def answer(self, address: str, browser: requests.Session | None = None) -> str:
        """Go to the provider, and return the path it sends the browser back to the portal with."""
        browser = browser or requests.Session()
        for _ in range(10):
            answer = browser.get(address, allow_redirects=False, timeout=10)
            assert answer.status_code in (302, 303), answer.text
            address = urljoin(address, answer.headers["Location"])
            if address.startswith(self.portal):
                return address.removeprefix(self.portal)
        raise AssertionError("it never comes back")


def go(client: Client, provider: Provider, start: str = START, browser: requests.Session | None = None, **form: Any):
    """Press the button, sign in at the provider, and return what the portal answers then."""
    led = client.post(start, form)
    assert led.status_code == 302, led.content.decode()
    return client.get(provider.answer(led["Location"], browser))
