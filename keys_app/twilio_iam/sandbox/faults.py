"""Failures on demand: what each is called, what it needs, and how it changes the answer."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .messages import Refusal, Reply, unauthorized

OPERATIONS = ("create", "list", "fetch", "update", "delete")
BEFORE = frozenset({"rate_limit", "refuse", "unauthorized", "error_before", "drop_before", "redirect"})
"""These happen instead of the operation. All others let it happen first."""
AFTER = frozenset({"error_after", "drop_after", "hang", "drip", "html", "truncated", "oversized"})
_NEW_KEY_ONLY = frozenset({"null_policy", "other_policy", "no_secret"})
_SPARE = ("/twilio/iam/api-keys/create", "/twilio/messaging/messages/read")

Permissions = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of failure. `options` are its details, see `Faults.add`."""

    name: str
    operation: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def number(self, option: str, default: float) -> float:
        return float(self.options.get(option, default))

    def instead(self, url: str) -> Reply | None:
        """Return the answer that replaces the operation, None to close the connection without one."""
        if self.name == "rate_limit":
            wait = {"Retry-After": str(self.options.get("retry_after", 1))}
            return Refusal(429, 20429, "Too Many Requests", wait).reply
        if self.name == "refuse":
            message = str(self.options.get("message", "The request has constraint violations"))
            return Refusal(int(self.options.get("status", 400)), int(self.options.get("code", 70001)), message).reply
        if self.name == "unauthorized":
            return unauthorized().reply
        if self.name == "redirect":
            return Reply(307, None, {"Location": url})
        return _server_error() if self.name == "error_before" else None

    def alter(self, policy: Permissions | None) -> Permissions | None:
        """Return the policy that a new key gets instead of the one that was asked for."""
        if self.name == "null_policy":
            return None
        if self.name != "other_policy":
            return policy
        asked = set(policy or ())
        if "allow" in self.options:
            return tuple(sorted(self.options["allow"]))
        return tuple(sorted(asked ^ {_SPARE[0]} or {_SPARE[1]}))

    def spoil(self, reply: Reply) -> Reply | None:
        """Return the answer as it is sent after the operation, None to close the connection without one."""
        if self.name == "drop_after":
            return None
        if self.name == "error_after":
            return _server_error()
        if self.name == "html":
            page = b"<!doctype html><title>Welcome</title><p>Please sign in to the network.</p>"
            return Reply(reply.status, None, {"Content-Type": "text/html"}, page)
        if self.name == "no_secret":
            return Reply(reply.status, {**(reply.content or {}), "secret": None}, reply.headers)
        if self.name == "oversized":
            padding = "x" * int(self.number("bytes", 2_000_000))
            return Reply(reply.status, {**(reply.content or {}), "padding": padding}, reply.headers)
        if self.name == "truncated":
            _, body = reply.head_and_body()
            return Reply(reply.status, None, reply.headers, body[: len(body) // 2], len(body) + 100)
        return reply


class Faults:
    """The failures still to come, first in, first out."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []

    def add(self, body: bytes) -> None:
        """Read a JSON object: `fault`, and optionally `operation` (default `create`), `times` (default 1) and
        details: `retry_after` (seconds) for rate_limit, `code` and `message` for refuse, `seconds` (30) for
        hang, `interval` (0.2 seconds) and `part` (`all` or `body`) for drip, `bytes` for oversized, `allow`
        (a list) for other_policy. Raises `Refusal` for anything else."""
        try:
            wish = json.loads(body)
            name, operation, times = wish["fault"], wish.get("operation", "create"), int(wish.get("times", 1))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Refusal(400, 20001, "not a fault") from None
        known = name in BEFORE | AFTER | _NEW_KEY_ONLY and operation in OPERATIONS and 1 <= times <= 100_000
        if not known or (name in _NEW_KEY_ONLY and operation != "create"):
            raise Refusal(400, 20001, "no such fault for this operation")
        with self._lock:
            self._waiting += [Fault(name, operation, wish)] * times

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()

    def take(self, operation: str) -> Fault | None:
        """Return and use up the next failure of an operation."""
        with self._lock:
            for place, fault in enumerate(self._waiting):
                if fault.operation == operation:
                    return self._waiting.pop(place)
        return None


def _server_error() -> Reply:
    return Refusal(500, 20500, "An internal server error has occurred").reply
