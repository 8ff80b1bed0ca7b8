"""Sends one request to Twilio, once, and hands back the answer or one of the three kinds of error.

What an error says, such as that Twilio did not answer in time, users read as it stands here.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

import requests
from requests.auth import AuthBase

from keys_app.core.http.ahead import Ahead, Ready
from keys_app.core.http.connection import OneExchange, ca_file_of
from keys_app.core.http.guard import Guard, Step
from keys_app.core.http.public_addresses import is_https_or_loopback
from keys_app.core.secret import Secret

from .errors import NotProcessed, OutcomeUnknown, TwilioError

_CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Limits:
    """How long to wait, in seconds, and how many bytes of a body to read.

    `connect` holds for the look-up of the name and for each address, `read` between two pieces of data,
    `deadline` for the whole exchange from the look-up to the last byte.
    """

    connect: float = 5.0
    read: float = 15.0
    deadline: float = 30.0
    max_bytes: int = 1_000_000


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `body` is None where it is empty or could not be read whole; then `problem` says why.

    It may hold a key's secret, so it is one itself: each byte a character. `retry_after` and `date` are the headers as
    they came.
    """

    status: int
    retry_after: str | None
    body: Secret | None
    problem: str
    date: str | None = None


class _BasicAuth(AuthBase):
    """Sets the Authorization header at the last moment, so that no other object has to hold the password."""

    def __init__(self, username: str, password: Secret) -> None:
        self._username = username
        self._password = password

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        pair = f"{self._username}:{self._password.reveal()}".encode()
        request.headers["Authorization"] = "Basic " + base64.b64encode(pair).decode()
        return request


class Transport:
    """Speaks to one base URL with one credential.

    It holds no connection but one that is made ahead; with that it is for one thread. `ca_file` replaces the
    authorities shipped with `certifi`; it is for tests. Raises `ValueError` for a base URL that is not https (plain
    http is allowed for a loopback host) or has a user, a query or a fragment.
    """

    def __init__(
        self, base_url: str, username: str, password: Secret, limits: Limits, *, ca_file: str | None = None
    ) -> None:
        check_base_url(base_url)
        if not username or ":" in username:
            raise ValueError("not a username for HTTP Basic authentication")
        self.base_url = base_url.rstrip("/")
        self._auth = _BasicAuth(username, password)
        self._limits = limits
        self._ca_file = ca_file_of(ca_file or True)
        self._ahead: Ahead | None = None

    def connect_ahead(self) -> None:
        """Begin to make the connection of the next exchange; not a byte of a request is sent. `close` ends it."""
        if self._ahead is None:
            limits = self._limits
            self._ahead = Ahead(self.base_url, timeout=limits.connect, deadline=limits.deadline, ca_file=self._ca_file)

    def close(self) -> None:
        """Let go of a connection that was made ahead and not used. May be called twice."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.discard()

    def exchange(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request exactly once and return its answer, whatever its status.

        Raises `NotProcessed` if the connection was never completed, `OutcomeUnknown` if no status line came
        in time, or the headers were malformed.
        """
        failure: BaseException
        ahead, self._ahead = self._ahead, None
        ready = ahead.take() if ahead else None
        with ready.guard if ready else Guard(self._limits.deadline) as guard:
            try:
                return self._send(guard, ready, method=method, path=path, query=query, form=form)
            except Exception as error:  # noqa: BLE001 once a byte has left, whatever breaks leaves the outcome unknown
                failure = _failure(guard, type(error).__name__)
            except BaseException as stop:  # noqa: BLE001 a worker that is told to end
                failure = stop.with_traceback(None)
                failure.__context__ = failure.__cause__ = None
        # Raised out here so that the caught exception, which holds the request with its Authorization header,
        # is not attached as the context.
        raise failure

    def _send(
        self,
        guard: Guard,
        ready: Ready | None,
        *,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        form: Mapping[str, str] | None,
    ) -> Answer:
        if ready and ready.failure:
            raise ready.failure
        with OneExchange(guard, ready.connection if ready else None) as session:
            response = session.request(
                method,
                self.base_url + path,
                params=query,
                data=form,
                auth=self._auth,
                timeout=(self._limits.connect, self._limits.read),
                allow_redirects=False,
                stream=True,
                verify=self._ca_file,
            )
            with response:
                body, problem = _read_body(response.raw, self._limits.max_bytes)
                if guard.expired:  # a connection shut down by the guard looks like the end of the answer
                    body, problem = None, "Twilio's answer did not end before the deadline."
                told = (response.headers.get("Retry-After"), response.headers.get("Date"))
                return Answer(response.status_code, told[0], body, problem, told[1])


def _read_body(raw: Any, max_bytes: int) -> tuple[Secret | None, str]:
    """Return the body as it was sent, never decompressed, or None and the reason.

    An unreadable body is no exception here: the status alone may already say that the request was refused.
    """
    body = bytearray()
    try:
        while chunk := raw.read(min(_CHUNK, max_bytes + 1), decode_content=False):
            body += chunk
            if len(body) > max_bytes:
                return None, "Twilio's answer was too large."
    except Exception:  # noqa: BLE001 the status decides what this means
        return None, "Twilio's answer broke off."
    return (Secret(body.decode("latin-1")), "") if body else (None, "Twilio's answer was empty.")


def _failure(guard: Guard, kind: str) -> TwilioError:
    if guard.step is not Step.SENDING:
        return NotProcessed(f"Twilio could not be reached: {guard.step.value}.")
    if guard.expired:
        return OutcomeUnknown("Twilio did not answer before the deadline.")
    what = "did not answer in time" if "Timeout" in kind else "closed the connection without a complete answer"
    return OutcomeUnknown(f"Twilio {what}.")


def check_base_url(base_url: str) -> None:
    """Raise `ValueError` unless it is safe to send a credential to `base_url`."""
    if not base_url.isascii() or not base_url.isprintable() or " " in base_url or "\\" in base_url:
        raise ValueError("the base URL has characters that do not belong in one")
    parts = urlsplit(base_url)
    if not parts.hostname or parts.port == 0:
        raise ValueError("the base URL has no usable host and port")
    if "@" in parts.netloc or "?" in base_url or "#" in base_url:
        raise ValueError("the base URL must not have a user, a query or a fragment")
    if not is_https_or_loopback(parts):
        raise ValueError("the base URL must be https; plain http is for a loopback address only")


def origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    """Return scheme, host and port of a URL for comparison. Raises `ValueError` for a bad port."""
    default = {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, parts.hostname, parts.port or default
