"""The marker that ties a key at Twilio to the portal's intent to make it."""

import base64
import re
import secrets

MAX_FRIENDLY_NAME = 64
"""Twilio's limit in characters (Twilio's documentation of the Key resource, v1)."""

_MARKER = re.compile(r" \[kp:([A-Z2-7]{12})\]\Z")
MARKER_LENGTH = len(" [kp:") + 12 + len("]")
MAX_NAME = MAX_FRIENDLY_NAME - MARKER_LENGTH


def new_marker() -> str:
    """Return 12 random base32 characters (60 bits)."""
    return base64.b32encode(secrets.token_bytes(8)).decode()[:12]


def marked_name(name: str, marker: str) -> str:
    """Return the FriendlyName sent to Twilio. Raises `ValueError` if it is over Twilio's limit."""
    full = f"{name} [kp:{marker}]"
    if len(full) > MAX_FRIENDLY_NAME:
        raise ValueError("the name and its marker are longer than Twilio allows")
    return full


def plain_name(friendly_name: str) -> str:
    """Return a FriendlyName without the marker at its end."""
    return _MARKER.sub("", friendly_name)


def find_marker(friendly_name: str | None) -> str | None:
    """Return the marker at the end of a FriendlyName, or None."""
    match = _MARKER.search(friendly_name or "")
    return match.group(1) if match else None
