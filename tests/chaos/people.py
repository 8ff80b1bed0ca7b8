"""People who use the portal over HTTP, each signed in through the form."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import unescape
from typing import Any

import requests

from tests.browser.checkout import token_in

SECONDS = 60
PASSWORD = "only-for-the-kill-test"
CLOSE = {"Connection": "close"}  # a kept connection to a killed worker would fail the next request


@dataclass(frozen=True, slots=True)
class Shown:
    """What a person saw after a press. Status 0 stands for a connection that broke."""

    status: int
    sid: str = ""
    secret: str = ""
    text: str = ""


class Person:
    """A signed-in person. Every request is sent once and never repeated."""

    def __init__(self, url: str, name: str) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers.update(CLOSE)
        form = {"login": name, "password": PASSWORD, "csrfmiddlewaretoken": token_in(self.page("/accounts/login/"))}
        answer = self._session.post(f"{url}/accounts/login/", data=form, timeout=SECONDS)
        assert answer.url == f"{url}/", answer.text
        self._token = token_in(answer.text)

    def double(self, url: str | None = None) -> "Person":
        """Return the same person at another window, for another thread or another process of the portal."""
        twin = object.__new__(Person)
        twin.url = url or self.url
        twin._session = requests.Session()
        twin._session.trust_env = False
        twin._session.headers.update(CLOSE)
        twin._session.cookies.update(self._session.cookies)
        twin._token = self._token
        return twin

    def page(self, path: str) -> str:
        answer = self._session.get(self.url + path, timeout=SECONDS)
        assert answer.status_code == 200, (path, answer.status_code)
        return answer.text

    def post(self, path: str, **fields: Any) -> requests.Response:
        fields["csrfmiddlewaretoken"] = self._token
        return self._session.post(self.url + path, data=fields, timeout=SECONDS, allow_redirects=False)

    def press(self, path: str, **fields: Any) -> Shown:
        """Press a button, and return what is seen, even if nothing is."""
        try:
            answer = self.post(path, **fields)
        except requests.RequestException:
            return Shown(0)
        text = answer.text
        return Shown(answer.status_code, _code("key-sid", text), _code("key-secret", text), text)

    def ask(self, account: str, permissions: Sequence[str], name: str) -> str:
        """Send a request and return its id."""
        form = {"account": account, "friendly_name": name, "purpose": "A kill test.", "lifetime_days": "30"}
        answer = self.post("/requests/new/", **form, permissions=list(permissions))
        assert answer.status_code == 302, (answer.status_code, answer.text[-3000:])
        return answer.headers["Location"].split("/")[2]

    def approve(self, request_id: str) -> None:
        path = f"/admin/keys_app/keyrequest/{request_id}/change/"
        digest = re.search(r'name="digest" value="([0-9a-f]+)"', self.page(path))
        assert digest
        answer = self.post(path, digest=digest.group(1), decision="approve", reason="")
        assert answer.status_code == 302, (answer.status_code, answer.text[-3000:])


def _code(name: str, page: str) -> str:
    match = re.search(rf'<code id="{name}"[^>]*>([^<]*)</code>', page)
    return unescape(match.group(1)) if match else ""
