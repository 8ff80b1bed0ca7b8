"""What the provider says of itself: asked for when it is needed first, and kept by each process for an hour."""

import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings

from keys_app.core.errors import SignInUnavailable
from keys_app.core.http.public_addresses import is_https_or_loopback

from .provider_session import DEADLINE, ProviderSession

log = logging.getLogger(__name__)

KEPT_FOR = 3600.0
ASKED_AGAIN_AFTER = 60.0
"""Seconds after a failure before the sign-in page asks again: until then it takes the issuer's own origin."""
QUICKLY = 2.0
_REQUIRED = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_OPTIONAL = ("userinfo_endpoint", "end_session_endpoint")

Metadata = dict[str, Any]


@dataclass
class _Known:
    """What is known of one issuer; `failed_at` is when it was asked in vain last."""

    issuer: str
    metadata: Metadata
    at: float
    failed_at: float


_known = _Known("", {}, 0.0, 0.0)


def metadata(*, within: float = DEADLINE) -> Metadata:
    """Return what the provider says of itself, from at most an hour ago where it answers.

    `within` is how long it may take, in seconds. Raises `SignInUnavailable`.
    """
    global _known  # noqa: PLW0603 replaced as a whole, so no thread sees half of it
    issuer, now = settings.OIDC.issuer, time.monotonic()
    known = _known if _known.issuer == issuer else _Known(issuer, {}, 0.0, 0.0)
    if known.metadata and now - known.at < KEPT_FOR:
        return known.metadata
    try:
        found = _checked(_ask(issuer, within), issuer)
    except (requests.RequestException, ValueError) as error:
        _known = _Known(issuer, known.metadata, known.at, now)
        log.warning("the sign-in provider cannot be asked about itself: %s", error)
        if known.metadata:
            return known.metadata
        raise SignInUnavailable(unavailable()) from None
    _known = _Known(issuer, found, now, 0.0)
    return found


def unavailable() -> str:
    """Return what a person reads where the provider does not answer."""
    return (
        f"Signing in with {settings.OIDC.name} does not work right now: the provider does not answer. Nothing was done."
    )


def authorization_origin() -> str:
    """Return the origin that the sign-in form leads to; the issuer's own, if the provider does not say quickly."""
    just_failed = _known.failed_at and time.monotonic() - _known.failed_at < ASKED_AGAIN_AFTER
    address = settings.OIDC.issuer
    if not (just_failed and _known.issuer == address and not _known.metadata):
        with suppress(SignInUnavailable):
            address = metadata(within=QUICKLY)["authorization_endpoint"]
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def forget() -> None:
    """Ask the provider anew the next time."""
    global _known  # noqa: PLW0603
    _known = _Known("", {}, 0.0, 0.0)


def _ask(issuer: str, within: float) -> Any:
    with ProviderSession(within) as session:
        answer = session.get(issuer.rstrip("/") + "/.well-known/openid-configuration")
        answer.raise_for_status()
        return answer.json()


def _checked(found: Any, issuer: str) -> Metadata:
    """Return the metadata if it is this issuer's and names what is needed. Raises `ValueError`."""
    if not isinstance(found, dict) or found.get("issuer") != issuer:
        raise ValueError("it gives another issuer than PORTAL_OIDC_ISSUER")
    if wrong := [name for name in _REQUIRED if not _is_safe(found.get(name))]:
        raise ValueError(f"it names no {' and no '.join(wrong)} with https")
    return {name: it for name, it in found.items() if name not in _OPTIONAL or _is_safe(it)}


def _is_safe(address: object) -> bool:
    try:
        return isinstance(address, str) and address.isprintable() and is_https_or_loopback(urlsplit(address))
    except ValueError:
        return False
