"""Reads the two addresses the portal depends on, and refuses those that would send secrets in the clear."""

import ipaddress
from urllib.parse import SplitResult, urlsplit

from django.core.exceptions import ImproperlyConfigured


def is_loopback(host: str | None) -> bool:
    """Tell whether a host name or address can only be this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def checked_origin(name: str, value: str) -> SplitResult:
    """Return `value` as scheme, host and port; `name` is the setting it came from.

    Raises `ImproperlyConfigured` unless it is https, or http to this machine, without path, query or user.
    """
    wrong = ImproperlyConfigured(f"{name} must be an origin such as https://portal.example.com")
    try:
        parts = urlsplit(value.rstrip("/"))
        readable = parts.port is None or parts.port > 0
    except ValueError:
        raise wrong from None
    if not readable or not parts.hostname or parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        raise wrong
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
        raise ImproperlyConfigured(f"{name} must start with https://; http:// is for loopback addresses only")
    return parts
