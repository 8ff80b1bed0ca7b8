"""What is asked of the provider: one exchange on a connection of its own, without the machine's proxies."""

from types import TracebackType
from typing import Any, Self

import requests

from keys_app.core.http.connection import OneExchange
from keys_app.core.http.guard import Guard

TIMEOUT, DEADLINE = 5.0, 10.0
"""Seconds for each step, and for a whole exchange."""
MAX_ANSWER = 500_000
_CHUNK = 65_536


class ProviderSession(OneExchange):
    """A session for one exchange, as the sign-in library takes one. Follows no redirect and reads no endless answer."""

    def __init__(self, deadline: float = DEADLINE) -> None:
        self._deadline = Guard(deadline)
        super().__init__(self._deadline)

    def __enter__(self) -> Self:
        self._deadline.__enter__()
        return self

    def __exit__(  # type: ignore[override]  # the stubs take anything
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        self._deadline.__exit__(kind, error, trace)

    def request(self, method: str, url: str, *args: Any, **options: Any) -> requests.Response:  # type: ignore[override]
        """Return the whole answer. Raises `requests.RequestException` where none came, or one that is too large."""
        options |= {"timeout": TIMEOUT, "allow_redirects": False, "stream": True, "verify": True}
        response = super().request(method, url, *args, **options)
        with response:
            try:
                response._content = self._read(response.raw)
            except requests.RequestException:
                raise
            except Exception as error:  # noqa: BLE001 whatever breaks: there is no answer
                raise requests.ConnectionError(type(error).__name__) from None
        return response

    def _read(self, raw: Any) -> bytes:
        body = bytearray()
        while chunk := raw.read(_CHUNK, decode_content=False):
            body += chunk
            if len(body) > MAX_ANSWER:
                raise requests.ConnectionError("the answer was too large")
        if self._deadline.expired:  # a connection that the guard shut down looks like the end of the answer
            raise requests.Timeout("the answer did not end before the deadline")
        return bytes(body)
