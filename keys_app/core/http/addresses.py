"""One form for each IP address, however a proxy, a socket or a person writes it."""

import ipaddress
import re

_UNKNOWN = re.compile(r"(?:unknown|unix|_[a-z0-9._-]+)?(?::[a-z0-9._-]*)?", re.IGNORECASE)
_WITH_PORT = re.compile(r"\[(?P<six>[^\[\]]+)\](?::[\w.-]*)?|(?P<four>[0-9]+(?:\.[0-9]+){3}):[\w.-]*", re.ASCII)


def one_form(text: str) -> str:
    """Return an address as it is stored and looked for: an IPv4-mapped one as IPv4, none with a zone.

    A zone, as in `fe80::1%eth0`, names an interface of the machine that wrote it. Raises `ValueError` for no address.
    """
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address):
        return str(address.ipv4_mapped or ipaddress.IPv6Address(int(address)))
    return str(address)


def read_forwarded(text: str) -> str:
    """Return the address in a node as RFC 7239 (6) and proxies write it: in quotes or brackets, with a port or a zone.

    Empty if it names none: `unknown`, `_hidden`, `unix:`. Raises `ValueError` for what is none of these.
    """
    text = text.strip().strip('"').strip()
    if _UNKNOWN.fullmatch(text):
        return ""
    match = _WITH_PORT.fullmatch(text)
    return one_form((match["six"] or match["four"]) if match else text)
