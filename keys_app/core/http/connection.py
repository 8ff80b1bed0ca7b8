"""A `requests` session for exactly one exchange, on one guarded connection of its own.

One connection for each exchange: a reused one may have been closed by the other side, and then nobody can say
whether the request was processed.
"""

import functools
import http.client
import socket
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry
from urllib3.connection import HTTPConnection, HTTPSConnection

from .guard import Guard

USER_AGENT = "twilio-key-portal"


class _StrictResponse(http.client.HTTPResponse):
    """Refuses malformed headers: urllib3 would log them and carry on, and a secret may be in them."""

    def begin(self) -> None:
        super().begin()
        if self.msg.defects or self.msg.get_payload():
            raise http.client.HTTPException("malformed headers")


class _Guarded(HTTPConnection):
    """Opens its socket through the guard, and tells the guard when the request may start to leave."""

    response_class = _StrictResponse

    def __init__(self, *args: Any, guard: Guard, **options: Any) -> None:
        super().__init__(*args, **options)
        self._guard = guard

    def _new_conn(self) -> socket.socket:
        return self._guard.open_socket(self._dns_host, self.port, float(self.timeout or 0))

    def connect(self) -> None:
        super().connect()
        self._guard.start_sending()


class _GuardedTls(_Guarded, HTTPSConnection):
    pass


class _GuardedAdapter(HTTPAdapter):
    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        # A retry of a POST whose answer was lost makes a second key.
        super().__init__(max_retries=Retry(total=0, connect=0, read=False, redirect=0, status=0, other=0))

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **options)
        kind = _GuardedTls if pool.scheme == "https" else _Guarded
        pool.ConnectionCls = functools.partial(kind, guard=self._guard)
        return pool


class OneExchange(requests.Session):
    """A session without proxies, `.netrc`, cookies from before, redirects or retries."""

    def __init__(self, guard: Guard) -> None:
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
            self.mount(scheme, _GuardedAdapter(guard))

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None: to follow a 307 would make a second key.

        `requests` asks this even with `allow_redirects=False`, and would then read the whole body.
        """
        return
