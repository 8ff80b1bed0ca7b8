"""Requests, answers and refusals of the simulator, in the form Twilio gives them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http import HTTPStatus

from keys_app.core.http import simulator
from keys_app.permissions.catalogue import ACTIONS

from .store import Key

ALLOW_METHODS = "Access-Control-Allow-Methods"
ACCESS_CONTROL = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Headers": "Accept, Authorization, Content-Type",
    ALLOW_METHODS: "GET, POST, DELETE, OPTIONS",
    "Access-Control-Allow-Credentials": "true",
    "Access-Control-Expose-Headers": "ETag, Twilio-Request-Id",
}
"""On every answer, refusals included (Twilio's documentation has them at the 201; the values are guesses)."""
SIMULATOR = {simulator.HEADER: "keys_app.twilio_sandbox"}
"""On every answer: what tells the simulator from Twilio, and from anything else that listens on this machine."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request, taken apart. `base_url` is the simulator's as the caller wrote it."""

    method: str
    path: str
    base_url: str
    query: Mapping[str, str]
    form: Mapping[str, str]
    body: bytes = field(repr=False)
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. `body` overrides the JSON of `content`, `declared` the length that is announced."""

    status: int
    content: Mapping[str, object] | None = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)
    declared: int | None = None

    def head_and_body(self) -> tuple[bytes, bytes]:
        """Return what goes over the wire."""
        body = self.body if self.body is not None else b""
        if self.body is None and self.content is not None:
            body = json.dumps(self.content).encode()
        headers = {
            "Date": format_datetime(datetime.now(UTC), usegmt=True),
            **ACCESS_CONTROL,
            **SIMULATOR,
            **self.headers,
        }
        if self.status != HTTPStatus.NO_CONTENT:
            headers.setdefault("Content-Type", "application/json")
            headers["Content-Length"] = str(len(body) if self.declared is None else self.declared)
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"), body


class Refusal(Exception):
    """An error answer. The body's form is from Twilio's documentation of its errors."""

    def __init__(self, status: int, code: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        content = {
            "code": code,
            "message": message,
            "more_info": f"https://www.twilio.com/docs/errors/{code}",
            "status": status,
        }
        self.reply = Reply(status, content, headers or {})


def unauthorized(status: int = 401, message: str | None = None) -> Refusal:
    """Return the refusal of a wrong credential, or one that may not manage keys: 401 (seen in a published test).

    The same code has other texts, of a credential without the right, an unapproved profile or another region.
    """
    return Refusal(status, 20003, message or "Authenticate", {"WWW-Authenticate": 'Basic realm="Twilio API"'})


def not_found(path: str) -> Refusal:
    """Return the refusal of what is not there: 404."""
    return Refusal(404, 20404, f"The requested resource {path} was not found")


def bad_sid() -> Refusal:
    """Return the refusal of a SID of the wrong shape: 400."""
    return Refusal(400, 70002, "Invalid Sid provided in the request")


def violation() -> Refusal:
    """Return the refusal of values that break a constraint: 400."""
    return Refusal(400, 70001, "The request has constraint violations")


def key_fields(key: Key) -> dict[str, object]:
    """Return what every answer about a key holds. Dates are RFC 2822 with +0000 (Twilio's documentation)."""
    return {
        "sid": key.sid,
        "friendly_name": key.friendly_name,
        "date_created": _date(key.created),
        "date_updated": _date(key.updated),
    }


def policy_field(key: Key) -> dict[str, object] | None:
    """Return a key's policy as Twilio answers it (seen in a published test).

    It is in another order than sent, and has a wildcard where all five actions of a resource are set.
    """
    policy = key.policy
    if policy is None:
        return None
    resources = {name.rpartition("/")[0] for name in policy}
    full = {resource for resource in resources if all(f"{resource}/{action}" in policy for action in ACTIONS)}
    rest = [name for name in policy if name.rpartition("/")[0] not in full]
    return {"allow": sorted([*rest, *(f"{resource}/*" for resource in full)], reverse=True), **key.beside}


def _date(seconds: float) -> str:
    return format_datetime(datetime.fromtimestamp(int(seconds), UTC))
