"""Events as syslog messages (RFC 5424). Plain functions."""

import json
from datetime import datetime

from keys_app.core.times import rfc3339

FACILITY_AUDIT = 13
SEVERITY_NOTICE = 5
_MOST_SEQUENCE = 2**31 - 1  # RFC 5424, 7.3.1


def message(canonical: str, host: str) -> bytes:
    """Return an event as a message: its time, its action as the message's id, and its canonical JSON as the text."""
    body = json.loads(canonical)
    priority = FACILITY_AUDIT * 8 + SEVERITY_NOTICE
    moment = rfc3339(datetime.fromisoformat(body["time"]), "microseconds").replace("+00:00", "Z")
    number = (body["sequence"] - 1) % _MOST_SEQUENCE + 1
    head = f"<{priority}>1 {moment} {_token(host, 255)} key-portal - {_token(body['action'], 32)}"
    return f'{head} [meta sequenceId="{number}"] '.encode() + b"\xef\xbb\xbf" + canonical.encode()


def framed(text: bytes) -> bytes:
    """Return a message for a stream: its length in octets goes before it (RFC 5425, 4.3; RFC 6587, 3.4.1)."""
    return str(len(text)).encode() + b" " + text


def _token(value: str, most: int) -> str:
    """Return a header field: printable ASCII without spaces, `-` for nothing."""
    return "".join(letter if "!" <= letter <= "~" else "_" for letter in value)[:most] or "-"
