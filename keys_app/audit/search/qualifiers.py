"""What may stand after each key of the search line. Plain Python.

Every check takes what was written and returns its one normal form, or raises `ValueError` with a message
that says what it should look like.
"""

import difflib
import re
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from keys_app.core.http.addresses import one_form
from keys_app.permissions.risk import Risk

from .tokens import MAX_VALUE, words

TEXT = "text"
_ACTION = re.compile(r"[a-z_]+(?:\.[a-z_]+)*(?:\.\*)?")
_SID = re.compile(r"(AC|SK)[0-9a-fA-F]{32}")
_PERMISSION = re.compile(r"/twilio/[a-z0-9-]+/(?:[a-z0-9.-]+/(?:[a-z]+|\*)?)?")
_OPEN_V4 = re.compile(r"(?:[0-9]{1,3}\.){1,3}")
_OPEN_V6 = re.compile(r"(?:[0-9a-fA-F]{1,4}:){1,4}")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d(?::\d\d)?)(Z|[+-]\d\d:?\d\d)?)?")
_RANGE = re.compile(r"(?P<sign>>=|<=|>|<)?(?P<one>[^<>=]+?)(?:\.\.(?P<two>.+))?")


def _shape(pattern: re.Pattern[str], example: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError(f"“{_shown(value)}” does not look like {example}.")
        return value

    return check


def _shown(value: str) -> str:
    return value if len(value) <= 60 else value[:60] + "…"


def _name(value: str) -> str:
    if len(value) > MAX_VALUE:
        raise ValueError(f"“{_shown(value)}” is too long: at most {MAX_VALUE} characters.")
    if not words(value):
        raise ValueError(f"“{_shown(value)}” has neither a letter nor a digit to look for.")
    return value


def _action(value: str) -> str:
    value = value.lower()
    if not _ACTION.fullmatch(value):
        raise ValueError(f"“{_shown(value)}” does not look like an action: key.issued, or key.* for all about keys.")
    if value.endswith(".*") and value.count(".") > 1:
        raise ValueError(f"“{_shown(value)}”: only the first part may stand alone, as in {value.partition('.')[0]}.*")
    return value


def _request(value: str) -> str:
    try:
        return str(uuid.UUID(value))
    except ValueError:
        raise ValueError(f"“{_shown(value)}” is not a request's number, such as {uuid.UUID(int=0)}.") from None


def _permission(value: str) -> str:
    if not _PERMISSION.fullmatch(value):
        raise ValueError(
            f"“{_shown(value)}” is not a permission or the whole beginning of one: write /twilio/iam/ for a product, "
            "/twilio/iam/api-keys/ for a resource, /twilio/iam/api-keys/create for one."
        )
    return value.removesuffix("*")


def _product(value: str) -> str:
    value = value.lower()
    if not re.fullmatch(r"[a-z0-9-]+", value):
        raise ValueError(f"“{_shown(value)}” is not a product's name, such as messaging.")
    return value


def _risk(value: str) -> str:
    value = value.lower()
    if value not in set(Risk):
        raise ValueError(f"“{_shown(value)}” is not a risk. There are {', '.join(Risk)}.")
    return value


def _address(value: str) -> str:
    try:
        return one_form(value)
    except ValueError:
        pass
    if _OPEN_V4.fullmatch(value) and all(int(part) < 256 for part in value.split(".")[:-1]):
        return ".".join(str(int(part)) for part in value.split(".")[:-1]) + "."
    if _OPEN_V6.fullmatch(value):
        return ":".join(group.lower().lstrip("0") or "0" for group in value.split(":")[:-1]) + ":"
    raise ValueError(
        f"“{_shown(value)}” is not an address or the whole beginning of one: write 10.1.2.3, 10.1. or 2001:db8:."
    )


@dataclass(frozen=True, slots=True)
class Moments:
    """From `start` until before `end`; None leaves that side open."""

    start: datetime | None = None
    end: datetime | None = None

    def __bool__(self) -> bool:
        return self.start is None or self.end is None or self.start < self.end

    def __and__(self, other: "Moments") -> "Moments":
        starts = [moment for moment in (self.start, other.start) if moment]
        ends = [moment for moment in (self.end, other.end) if moment]
        return Moments(max(starts, default=None), min(ends, default=None))


def moments(value: str) -> Moments:
    """Read a range of time. Times without a zone are UTC; a day is the whole day.

    Raises `ValueError` for what is not one, or for one that ends before it begins.
    """
    match = _RANGE.fullmatch(value)
    if not match or (match["sign"] and match["two"]):
        raise ValueError(_no_time(value))
    if match["two"]:
        return _between(value, match["one"], match["two"])
    start, end = _span(match["one"])
    return {
        ">=": Moments(start, None),
        ">": Moments(end, None),
        "<": Moments(None, start),
        "<=": Moments(None, end),
    }.get(match["sign"] or "", Moments(start, end))


def _between(value: str, first: str, last: str) -> Moments:
    found = Moments(None if first == "*" else _span(first)[0], None if last == "*" else _span(last)[1])
    if not found:
        raise ValueError(f"“{_shown(value)}” ends before it begins. Write the earlier time first.")
    return found


def _no_time(value: str) -> str:
    return (
        f"“{_shown(value)}” is not a time: write 2026-11-01, >=2026-11-01, 2026-11-01..2026-11-30 "
        "or 2026-11-01T09:30 (UTC)."
    )


def _span(text: str) -> tuple[datetime, datetime]:
    """Return where a day, minute or second begins and where the next one does."""
    match = _MOMENT.fullmatch(text)
    if not match:
        raise ValueError(_no_time(text))
    day, clock, zone = match.groups()
    try:
        start = datetime.fromisoformat(f"{day}T{clock or '00:00'}{zone or '+00:00'}").astimezone(UTC)
        length = timedelta(days=1) if not clock else timedelta(minutes=1) if len(clock) == 5 else timedelta(seconds=1)
        return start, start + length
    except (ValueError, OverflowError):
        raise ValueError(f"“{_shown(text)}” is not in the calendar.") from None


def _created(value: str) -> str:
    moments(value)
    return value


def common_range(values: Iterable[str]) -> Moments:
    """Return the time that is in all of these ranges."""
    found = Moments()
    for value in values:
        found = found & moments(value)
    return found


CHECKS: dict[str, Callable[[str], str]] = {
    "action": _action,
    "actor": _name,
    "account": _shape(re.compile(r"AC[0-9a-fA-F]{32}"), "an account's SID: AC and 32 hexadecimal digits"),
    "team": _name,
    "key": _shape(re.compile(r"SK[0-9a-fA-F]{32}"), "a key's SID: SK and 32 hexadecimal digits"),
    "request": _request,
    "permission": _permission,
    "product": _product,
    "risk": _risk,
    "address": _address,
    "created": _created,
    TEXT: _name,
}
KEYS = [key for key in CHECKS if key != TEXT]


def nearest_key(key: str) -> str:
    """Return a sentence that says which key may have been meant."""
    near = difflib.get_close_matches(key, KEYS, 1)
    return f"Did you mean “{near[0]}:”?" if near else f"There are {', '.join(KEYS)}; or put the text in quotes."


def text_as_term(text: str) -> tuple[str, str] | None:
    """Return what a bare SID or request number means; None for ordinary words."""
    if _SID.fullmatch(text):
        return ("account" if text.startswith("AC") else "key", text)
    if len(text) == 36 and text.count("-") == 4:
        try:
            return "request", str(uuid.UUID(text))
        except ValueError:
            return None
    return None
