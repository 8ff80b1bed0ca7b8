"""A number for each answer, so that a user can say which one, and the log's lines of it are found."""

import secrets
from collections.abc import Callable
from contextvars import ContextVar

from django.http import HttpRequest, HttpResponse

HEADER = "X-Request-ID"
_current: ContextVar[str] = ContextVar("request_id", default="")


def current() -> str:
    """Return the id of the request that is being answered; empty outside of one."""
    return _current.get()


class RequestIdMiddleware:
    """Gives each request an id of the portal's own, which its answer, its error page and its log lines bear.

    What a client sends as one is not taken: anything could stand in the log then, and twice.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        new = secrets.token_hex(6)
        request.request_id = new  # type: ignore[attr-defined]
        before = _current.set(new)
        try:
            answer = self.get_response(request)
        finally:
            _current.reset(before)
        answer[HEADER] = new
        return answer
