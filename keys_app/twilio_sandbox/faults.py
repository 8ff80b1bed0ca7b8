"""Failures on demand: what each is called, what it needs, and how it changes the answer."""

import json
import random
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .messages import Refusal, Reply, unauthorized

OPERATIONS = ("create", "list", "fetch", "update", "delete")
BEFORE = frozenset({"rate_limit", "refuse", "unauthorized", "error_before", "drop_before", "redirect"})
"""These happen instead of the operation. All others let it happen first."""
AFTER = frozenset({"error_after", "drop_after", "reset", "hang", "drip", "html", "truncated", "oversized"})
_NEW_KEY_ONLY = frozenset({"null_policy", "other_policy", "beside_allow", "no_secret", "late_listing"})
_LISTING_ONLY = frozenset({"duplicates", "foreign_page"})
_ONLY = {**dict.fromkeys(_NEW_KEY_ONLY, "create"), **dict.fromkeys(_LISTING_ONLY, "list")}
_FOREIGN = "http://keys.invalid/v1/Keys?Page=1&PageToken=PT0"
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
            return unauthorized(int(self.options.get("status", 401)), self.options.get("message")).reply
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

    @property
    def beside(self) -> dict[str, object]:
        """What the policy of a new key has besides `allow`."""
        return dict(self.options.get("fields", {"deny": []})) if self.name == "beside_allow" else {}

    @property
    def hidden_seconds(self) -> float:
        """How long a new key stays out of the listing, in seconds."""
        return self.number("hide", 2 if self.name == "late_listing" else 0)

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
        return self._spoil_listing(reply) if self.name in _LISTING_ONLY else reply

    def _spoil_listing(self, reply: Reply) -> Reply:
        content: dict[str, Any] = dict(reply.content or {})
        if "keys" not in content:
            return reply
        if self.name == "duplicates":
            content["keys"] = [*content["keys"], *content["keys"]]
        else:
            content["meta"] = {**content["meta"], "next_page_url": self.options.get("url", _FOREIGN)}
        return Reply(reply.status, content, reply.headers)


class Faults:
    """The failures still to come, first in, first out, and beside them a random mix."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []
        self._mix = Mix([], 0.0, 0)

    def add(self, body: bytes) -> None:
        """Read a JSON object that says what is to fail. Raises `Refusal` for anything else.

        It has `fault`, and optionally `operation` (default `create`, or `list` for the two that spoil a listing),
        `times` (default 1) and details: `retry_after` (seconds) for rate_limit, `status`, `code` and `message` for
        refuse, `status` (401) and `message` for unauthorized, as 20003 has more texts than one, `seconds` (30) for
        hang, `interval` (0.2 seconds) and `part` (`all` or `body`) for drip, `bytes` for oversized, `allow` (a list)
        for other_policy, `fields` (an object, {"deny": []}) for beside_allow, `url` for foreign_page, and `hide` with
        any failure of `create`: the seconds that the new key stays out of the listing (2 for late_listing).
        """
        fault, times = _read(_json(body))
        with self._lock:
            self._waiting += [fault] * times

    def mix(self, body: bytes) -> None:
        """Read a JSON object with `rate` (0 to 1), `seed` and `faults`, a list of objects as for `add`.

        From now on a request fails with that probability, in one of the ways listed for its operation, each as
        likely. The same seed and order of requests give the same failures. Raises `Refusal` for anything else.
        """
        wish = _json(body)
        try:
            rate, seed = float(wish["rate"]), int(wish["seed"])
            faults = [_read(one)[0] for one in wish["faults"]]
        except (ValueError, KeyError, TypeError):
            raise Refusal(400, 20001, "not a mix of faults") from None
        if not 0 <= rate <= 1:
            raise Refusal(400, 20001, "a rate is 0 to 1")
        with self._lock:
            self._mix = Mix(faults, rate, seed)

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()
            self._mix = Mix([], 0.0, 0)

    def take(self, operation: str) -> Fault | None:
        """Return and use up the next failure of an operation."""
        with self._lock:
            for place, fault in enumerate(self._waiting):
                if fault.operation == operation:
                    return self._waiting.pop(place)
            return self._mix.draw(operation)


class Mix:
    """Failures by chance."""

    def __init__(self, faults: Sequence[Fault], rate: float, seed: int) -> None:
        self._faults = faults
        self._rate = rate
        self._random = random.Random(seed)  # noqa: S311 repeatable on purpose

    def draw(self, operation: str) -> Fault | None:
        ways = [fault for fault in self._faults if fault.operation == operation]
        if not ways or self._random.random() >= self._rate:
            return None
        return self._random.choice(ways)


def _json(body: bytes) -> Mapping[str, Any]:
    try:
        wish = json.loads(body)
    except ValueError:
        raise Refusal(400, 20001, "not JSON") from None
    if not isinstance(wish, dict):
        raise Refusal(400, 20001, "not a JSON object")
    return wish


def _read(wish: Any) -> tuple[Fault, int]:
    """Return a failure and how often it is wanted. Raises `Refusal`."""
    try:
        name, times = wish["fault"], int(wish.get("times", 1))
        operation = wish.get("operation", _ONLY.get(name, "create"))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Refusal(400, 20001, "not a fault") from None
    known = name in BEFORE | AFTER | _ONLY.keys() and operation in OPERATIONS and 1 <= times <= 100_000
    if not known or operation != _ONLY.get(name, operation):
        raise Refusal(400, 20001, "no such fault for this operation")
    return Fault(name, operation, wish), times


def _server_error() -> Reply:
    return Refusal(500, 20500, "An internal server error has occurred").reply
