"""Reads Twilio's answers. Nothing here raises with the content of an answer: what cannot be read is None."""

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qs, urlsplit

from keys_app.core.secret import Secret
from keys_app.permissions.seen_policy import NoPolicy, SeenPolicy, read_policy, tell_standard

from .errors import NotProcessed, OutcomeUnknown, Rejected, TwilioError
from .transport import Answer, origin
from .types import KEY_SID, CreatedKey, KeyDetail, KeySummary

_UNDECIDED = frozenset({408, 425})
"""Request Timeout and Too Early: refused as sent, but nothing says what became of the request."""


def error_of(answer: Answer, expected: int) -> TwilioError | None:
    """Return the error that an answer's status stands for, or None if it is the `expected` one.

    A 4xx says no whatever its body holds. 429 is the only status that Twilio's documentation says is never
    processed. Everything else may have had an effect.
    """
    status = answer.status
    if status == expected:
        return None
    if not 400 <= status < 500 or status in _UNDECIDED:
        return OutcomeUnknown(f"Twilio answered with HTTP {status}.", status, _seconds(answer.retry_after))
    code, message = _code_and_message(answer)
    if status == 429:
        return NotProcessed(message, _seconds(answer.retry_after), code)
    return Rejected(status, code, message)


def json_object(answer: Answer) -> dict[str, object] | None:
    """Return the answer's JSON object, or None."""
    try:
        content = json.loads(answer.body.reveal().encode("latin-1") if answer.body else b"")
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def created_key(answer: Answer) -> CreatedKey | None:
    """Return the new key, or None unless the answer has a well-formed SID and a secret."""
    content = json_object(answer) or {}
    secret = _taken_out(content)
    sid = content.get("sid")
    if not _is_key_sid(sid) or secret is None:
        return None
    return CreatedKey(str(sid), _text(content.get("friendly_name")), secret, _policy(content))


def _taken_out(content: dict[str, object]) -> Secret | None:
    """Take the secret out of an answer, so that from here on nothing else holds it; None if there is none."""
    value = content.pop("secret", None)
    return Secret(value) if isinstance(value, str) and value else None


def key_detail(answer: Answer, sid: str) -> KeyDetail | None:
    """Return the key, or None if the answer is not about the key `sid`."""
    content = json_object(answer) or {}
    summary = _summary(content)
    if summary is None or summary.sid.lower() != sid.lower():
        return None
    return KeyDetail(
        summary.sid,
        summary.friendly_name,
        summary.date_created,
        summary.date_updated,
        summary.flags,
        _policy(content),
    )


def _policy(content: Mapping[str, object]) -> SeenPolicy:
    """Return the policy of one key's answer; none where its flags tell a Standard key."""
    if tell_standard(_flags(content)):
        return NoPolicy.STANDARD
    return read_policy(content["policy"]) if "policy" in content else NoPolicy.UNREADABLE


def key_page(answer: Answer) -> tuple[list[KeySummary], object] | None:
    """Return one page's keys and its `next_page_url` (null on the last page).

    None if anything in it cannot be read: an incomplete listing must not pass for a complete one.
    """
    content = json_object(answer) or {}
    entries, meta = content.get("keys"), content.get("meta")
    if not isinstance(entries, list) or not isinstance(meta, dict) or "next_page_url" not in meta:
        return None
    keys = [summary for entry in entries if (summary := _summary(entry)) is not None]
    return (keys, meta["next_page_url"]) if len(keys) == len(entries) else None


def next_page(link: object, own_url: str) -> dict[str, str] | None:
    """Return `Page` and `PageToken` of a link, or None if it does not lead to `own_url`, the listing itself.

    The link is never followed as it stands: the credential would go wherever it points.
    """
    if not isinstance(link, str):
        return None
    try:
        theirs, ours = urlsplit(link), urlsplit(own_url)
        same = origin(theirs) == origin(ours) and theirs.path == ours.path and "@" not in theirs.netloc
        query = parse_qs(theirs.query, max_num_fields=20)
    except ValueError:
        return None
    place: dict[str, str] = {name: query[name][0] for name in ("Page", "PageToken") if name in query}
    return place if same and place else None


def _summary(entry: object) -> KeySummary | None:
    if not isinstance(entry, Mapping) or not _is_key_sid(entry.get("sid")):
        return None
    name = entry.get("friendly_name")
    if name is not None and not isinstance(name, str):  # an unreadable name might hide a marker
        return None
    return KeySummary(
        entry["sid"],
        name,
        read_date(entry.get("date_created")),
        read_date(entry.get("date_updated")),
        _flags(entry),
    )


def _flags(entry: Mapping[str, object]) -> tuple[str, ...]:
    flags = entry.get("flags")
    return tuple(flag for flag in flags if isinstance(flag, str)) if isinstance(flags, list) else ()


def _is_key_sid(value: object) -> bool:
    return isinstance(value, str) and KEY_SID.fullmatch(value) is not None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def read_date(value: object) -> datetime | None:
    """Read an RFC 2822 date, the form in Twilio's documentation."""
    try:
        moment = parsedate_to_datetime(value) if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


MAX_CODE = 2**31
"""Twilio's codes have five digits. A larger number is not one, and would not fit where codes are kept."""


def _code_and_message(answer: Answer) -> tuple[int | None, str]:
    """Return `code` and `message` of an error's body (Twilio's documentation of its errors)."""
    content = json_object(answer) or {}
    code, message = content.get("code"), content.get("message")
    number = code if isinstance(code, int) and not isinstance(code, bool) and 0 <= code < MAX_CODE else None
    return number, message if isinstance(message, str) and message.strip() else f"HTTP {answer.status}"


def _seconds(retry_after: str | None) -> float | None:
    """Read a Retry-After header, which holds seconds or a date, as seconds from now."""
    if retry_after is None:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        moment = read_date(retry_after)
        seconds = (moment - datetime.now(UTC)).total_seconds() if moment else math.nan
    return max(seconds, 0.0) if math.isfinite(seconds) else None
