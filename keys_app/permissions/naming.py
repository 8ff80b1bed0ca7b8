"""The marker that ties a key at Twilio to the portal's intent to make it.

It has 12 base32 characters: 8 at random, and 4 of a hash of those under the identity of the installation. A name is a
hint, not proof: anyone at Twilio can copy one.
"""

import base64
import hmac
import re
import secrets

from keys_app.core.typed import utf16_units

MAX_FRIENDLY_NAME = 64
"""Twilio's limit in characters (Twilio's documentation of the Key resource, v1), taken as units of UTF-16."""

_MARKER = re.compile(r" \[kp:([A-Z2-7]{12})\]\Z")
MARKER_LENGTH = len(" [kp:") + 12 + len("]")
MAX_NAME = MAX_FRIENDLY_NAME - MARKER_LENGTH


def new_marker(identity: bytes) -> str:
    """Return a marker of the installation with this identity: 40 random bits, and a hash of 20."""
    random = base64.b32encode(secrets.token_bytes(5)).decode()
    return random + _hash(random, identity)


def is_marker_of(identity: bytes, marker: str) -> bool:
    """Tell whether the installation with this identity made a marker. Of a million others' one passes for its own.

    Markers of version 0.9.0 have no hash; which of those are the portal's own its database alone knows.
    """
    return hmac.compare_digest(_hash(marker[:8], identity), marker[8:])


def _hash(random: str, identity: bytes) -> str:
    return base64.b32encode(hmac.digest(identity, random.encode(), "sha256")).decode()[:4]


def marked_name(name: str, marker: str) -> str:
    """Return the FriendlyName sent to Twilio. Raises `ValueError` if it is over Twilio's limit."""
    full = f"{name} [kp:{marker}]"
    if utf16_units(full) > MAX_FRIENDLY_NAME:
        raise ValueError("the name and its marker are longer than Twilio allows")
    return full


def plain_name(friendly_name: str) -> str:
    """Return a FriendlyName without the marker at its end."""
    return _MARKER.sub("", friendly_name)


def find_marker(friendly_name: str | None) -> str | None:
    """Return the marker at the end of a FriendlyName, or None."""
    match = _MARKER.search(friendly_name or "")
    return match.group(1) if match else None
