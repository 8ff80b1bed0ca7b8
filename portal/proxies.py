"""Whom the portal believes about a client, and what it reads then. The one place where that is decided.

The *peer* is who opened the connection: `REMOTE_ADDR`, or a process of this machine over a unix socket (empty).

- With `PORTAL_PROXY_ADDRESSES`, the peer is believed if it is named there or came over a unix socket. Without, every
  peer is, about the client's address alone, while `PORTAL_TRUSTED_PROXIES` is above 0.
- `X-Forwarded-For` of a believed peer is read from its end, where the nearest proxy writes: the client is as many
  entries from there as `PORTAL_TRUSTED_PROXIES` counts, one if it counts none, or the first where there are fewer.
  Entries are not skipped because a proxy is named by them: a client may come from the same network.
- `X-Forwarded-Proto` is read of a named peer alone. It can only take away: `http` says that a client came unencrypted.
- A client that no one names has the peer's address. No address at all, as `unknown`, is empty.
"""

import ipaddress
import logging
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning
from django.http import HttpRequest

from keys_app.core.http.addresses import read_forwarded
from keys_app.core.text import joined
from keys_app.views.http.error_pages import RefusedRequest
from portal import env

log = logging.getLogger(__name__)

_FOR, _PROTO = "X-Forwarded-For", "X-Forwarded-Proto"
_told: set[str] = set()
"""What this process has logged about proxies, so that it says each once."""


def client_address(request: HttpRequest) -> str:
    """Return the address of a client in its one form; empty if it is unknown. Raises `RefusedRequest`."""
    peer, entries = _peer(request), _listed(request, _FOR)
    if not entries or not _is_believed(peer):
        return peer
    return _read(_clients(entries), _FOR)


def vet(request: HttpRequest) -> None:
    """Raise `RefusedRequest` for a client without an address that can be read, or one that came over plain http.

    What is wrong with the proxy that sent it is logged, once in a process.
    """
    client_address(request)
    _tell(request)
    said = _listed(request, _PROTO)
    if settings.BASE_URL.scheme != "https" or not said or not _is_proxy(_peer(request)):
        return
    if _clients(said).lower() == "http":
        raise RefusedRequest(
            f"This request came over http, which anyone on the way can read. Open {settings.BASE_URL.geturl()} instead."
        )


def check(**_: Any) -> list[CheckMessage]:
    """System check: say that a proxy is not named, as far as the settings tell."""
    if settings.PROXY_ADDRESSES or (settings.TRUSTED_PROXIES and env.bind().startswith("unix:")):
        return []
    hint = "Set PORTAL_PROXY_ADDRESSES to the networks the proxy connects from, such as 10.0.1.0/24,127.0.0.1"
    if settings.TRUSTED_PROXIES:
        words = (
            "PORTAL_TRUSTED_PROXIES is set and PORTAL_PROXY_ADDRESSES is not: whoever reaches the portal past the "
            f"proxy can put any address into {_FOR}."
        )
        return [Warning(words, hint=hint, id="portal.W003")]
    if settings.BASE_URL.scheme == "https":
        words = (
            "PORTAL_BASE_URL is https and no proxy is named: everyone who comes through one has the proxy's address in "
            "the audit, and shares its limit on signing in."
        )
        return [Warning(words, hint=hint, id="portal.W004")]
    return []


def _peer(request: HttpRequest) -> str:
    return _read(request.META.get("REMOTE_ADDR", ""), "the connection")


def _is_proxy(peer: str) -> bool:
    """Tell whether a peer is a proxy of ours. Who may open a unix socket, the rights of its file say."""
    if not peer:
        return bool(settings.PROXY_ADDRESSES or settings.TRUSTED_PROXIES)
    return any(ipaddress.ip_address(peer) in network for network in settings.PROXY_ADDRESSES)


def _is_believed(peer: str) -> bool:
    return _is_proxy(peer) or bool(settings.TRUSTED_PROXIES and not settings.PROXY_ADDRESSES)


def _clients(entries: list[str]) -> str:
    """Return the entry that is about the client: of one proxy, if they are not counted, the last."""
    return entries[-min(settings.TRUSTED_PROXIES or 1, len(entries))]


def _listed(request: HttpRequest, header: str) -> list[str]:
    """Return the entries of a header, none if it is not there or says nothing."""
    value = request.META.get(f"HTTP_{header.upper().replace('-', '_')}", "").strip()
    return [entry.strip() for entry in value.split(",")] if value else []


def _read(text: str, source: str) -> str:
    try:
        return read_forwarded(text)
    except ValueError:
        raise RefusedRequest(
            f"The portal can’t read which address this request comes from: {source} says {text[:60]!a}. Tell "
            "whoever runs the portal: the proxy in front has to name an IP address."
        ) from None


def _tell(request: HttpRequest) -> None:
    peer, entries = _peer(request), _listed(request, _FOR)
    by = peer or "a unix socket"
    sent = [name for name in (_FOR, _PROTO) if _listed(request, name)]
    missing = [name for name in (_FOR, _PROTO) if name not in sent and (name == _FOR or _is_proxy(peer))]
    if sent and not _is_proxy(peer):
        _once("%s sends %s and PORTAL_PROXY_ADDRESSES does not name it", by, joined(sent))
    if missing and _is_believed(peer):
        _once("%s counts as a proxy and does not send %s", by, joined(missing))
    if 0 < len(entries) < settings.TRUSTED_PROXIES and _is_believed(peer):
        _once("%s sends X-Forwarded-For with fewer entries than PORTAL_TRUSTED_PROXIES counts", by)
    if entries and _is_believed(peer) and (client := client_address(request)) and _is_proxy(client):
        _once("%s names a client that PORTAL_PROXY_ADDRESSES names: does PORTAL_TRUSTED_PROXIES count all proxies?", by)


def _once(words: str, *values: str) -> None:
    if words not in _told:
        _told.add(words)
        log.warning(f"{words} (docs/operating.md, “Proxies”, says what a proxy has to send)", *values)
