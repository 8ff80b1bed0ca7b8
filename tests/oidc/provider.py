"""An OpenID provider as a process, and a browser's way there and back without a browser."""

import json
import socket
import subprocess
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import requests
from django.test import Client

from tests.node_tools import NODE, require_node

START = "/accounts/oidc/company/login/"
CALLBACK = "/accounts/oidc/company/login/callback/"


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
            require_node("oidc-provider", "sign-in with OpenID Connect"),
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
