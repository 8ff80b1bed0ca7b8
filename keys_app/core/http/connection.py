"""A `requests` session for exactly one exchange, on one guarded connection of its own.

One connection for each exchange: a reused one may have been closed by the other side, and then nobody can say
whether the request was processed.
"""

import functools
import http.client
import socket
import ssl
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import Retry
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.ssl_ import create_urllib3_context

from keys_app.core.present import present

from .guard import Guard

USER_AGENT = "twilio-key-portal"


class _StrictResponse(http.client.HTTPResponse):
    """Refuses malformed headers: urllib3 would log them and carry on, and a secret may be in them."""

    def begin(self) -> None:
        super().begin()
        if self.msg.defects or self.msg.get_payload():
            raise http.client.HTTPException("malformed headers")


@functools.cache
def tls_context(ca_file: str) -> ssl.SSLContext:
    """Return what every connection that trusts the authorities in `ca_file` shares: reading them takes long."""
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
    context.load_verify_locations(ca_file)
    return context


class Guarded(HTTPConnection):
    """Opens its socket through the guard, and tells the guard when the request may start to leave."""

    response_class = _StrictResponse

    def __init__(self, *args: Any, guard: Guard, **options: Any) -> None:
        super().__init__(*args, **options)
        self._guard = guard

    def _new_conn(self) -> socket.socket:
        return self._guard.open_socket(self._dns_host, self.port, float(self.timeout or 0))

    def open(self) -> None:
        """Make the connection, and send nothing on it."""
        super().connect()

    def connect(self) -> None:
        self.open()
        self._guard.start_sending()


class GuardedTls(Guarded, HTTPSConnection):
    """The same with TLS."""


class _GuardedAdapter(HTTPAdapter):
    def __init__(self, guard: Guard, ready: Guarded | None) -> None:
        self._guard, self._ready = guard, ready
        # A retry of a POST whose answer was lost makes a second key.
        super().__init__(max_retries=Retry(total=0, connect=0, read=False, redirect=0, status=0, other=0))

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        host, options = super().build_connection_pool_key_attributes(request, True, cert)
        shared = {"ssl_context": tls_context(ca_file_of(verify))} if host["scheme"] == "https" else {}
        return host, {**options, **shared}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Do nothing: the context has the authorities, and `requests` would read them anew for each connection."""

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **options)
        pool.ConnectionCls = self._hand_out if self._ready else functools.partial(_kind(pool.scheme), guard=self._guard)
        return pool

    def _hand_out(self, **_options: Any) -> Guarded:
        """Return the connection that was made ahead, for one request."""
        ready, self._ready = present(self._ready), None
        self._guard.start_sending()
        return ready


def ca_file_of(verify: str | bool) -> str:
    """Return the file with the authorities that `requests` means by `verify`. Raises `ValueError` for none."""
    if not verify:
        raise ValueError("a connection is never made without a look at the certificate")
    return verify if isinstance(verify, str) else DEFAULT_CA_BUNDLE_PATH


def _kind(scheme: str) -> type[Guarded]:
    return GuardedTls if scheme == "https" else Guarded


def connection_to(url: str, guard: Guard, timeout: float, ca_file: str) -> Guarded:
    """Return a connection to the host of a URL that is not made yet. `timeout` is in seconds, for each step."""
    parts = urlsplit(url)
    host, port = present(parts.hostname), parts.port
    if parts.scheme == "https":
        context = tls_context(ca_file)
        return GuardedTls(host, port, timeout=timeout, ssl_context=context, cert_reqs="CERT_REQUIRED", guard=guard)
    return Guarded(host, port, timeout=timeout, guard=guard)


class OneExchange(requests.Session):
    """A session without proxies, `.netrc`, cookies from before, redirects or retries.

    `ready` is a connection that was made ahead with the same guard, to the host the request goes to.
    """

    def __init__(self, guard: Guard, ready: Guarded | None = None) -> None:
        super().__init__()
        # Otherwise ~/.netrc replaces the credential, a proxy from the environment is given it, and
        # REQUESTS_CA_BUNDLE decides whom to trust.
        self.trust_env = False
        self.headers.clear()
        self.headers.update(
            {
                "Accept": "application/json",
                "Accept-Encoding": "identity",  # so that the limit on bytes is one on memory as well
                "Connection": "close",
                "User-Agent": USER_AGENT,
            }
        )
        self.adapters.clear()
        for scheme in ("https://", "http://"):
            self.mount(scheme, _GuardedAdapter(guard, ready))

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None: to follow a 307 would make a second key.

        `requests` asks this even with `allow_redirects=False`, and would then read the whole body.
        """
        return
