"""Which addresses are safe to send to: encrypted ones or this machine, and for webhooks the public internet only."""

import ipaddress
import socket
from urllib.parse import SplitResult, urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_UNICAST = ipaddress.IPv6Network("2000::/3")  # the only part of IPv6 that is given out for the internet
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # holds an IPv4 address in its last 32 bits, as a mapped one does
# Not global, or leading to an IPv4 address of any kind, and not all of it known to this Python's `is_global`.
_NEVER = tuple(
    ipaddress.ip_network(network)
    for network in ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)


def is_loopback(host: str | None) -> bool:
    """Tell whether a host name or address can only be this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def is_https_or_loopback(parts: SplitResult) -> bool:
    """Tell whether what is sent to a URL stays secret on the way: it is https, or http to this machine."""
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))


def is_public(address: str) -> bool:
    """Tell whether an address, as a socket names it, is a host of the public internet."""
    try:
        return _is_public(ipaddress.ip_address(address))
    except ValueError:
        return False


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        inside = address.ipv4_mapped
        if address in _NAT64:
            inside = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inside is not None:
            return _is_public(inside)
        if address not in _UNICAST:
            return False
    in_never = any(address in network for network in _NEVER if network.version == address.version)
    return address.is_global and not address.is_multicast and not address.is_reserved and not in_never


def url_problem(url: str, *, allow_private: bool) -> str:
    """Return what is wrong with a webhook's address as it is typed; empty if nothing is.

    A host given by name is only known when it is connected to: `Guard` asks `is_public` then.
    """
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return "The address has characters that do not belong in one."
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "This is not an address such as https://hooks.example.com/portal."
    if parts.scheme not in ("https", "http") or not parts.hostname or port == 0:
        return "This is not an address such as https://hooks.example.com/portal."
    if "@" in parts.netloc or "#" in url:
        return "The address must not have a user, a password or a fragment."
    if allow_private:
        return ""
    if parts.scheme != "https":
        return "The address must start with https://."
    return _host_problem(parts.hostname)


def _host_problem(host: str) -> str:
    host = host.rstrip(".")
    try:
        public = is_public(socket.inet_ntoa(socket.inet_aton(host)))  # 2130706433, 0x7f.1 and 127.1 too
    except OSError:
        public = is_public(host) if ":" in host else host != "localhost" and not host.endswith(".localhost")
    return "" if public else "The portal does not send to loopback, private or other non-public addresses."
