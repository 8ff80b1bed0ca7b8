"""Secrets as Twilio makes them."""

import secrets
import string

_BASE62 = string.ascii_letters + string.digits


def new_secret() -> str:
    """Return 32 base62 characters, the form seen in a published test."""
    return "".join(secrets.choice(_BASE62) for _ in range(32))
