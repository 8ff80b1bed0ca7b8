"""Reads what the environment sets: every setting of the portal, from its variable or from the file its `_FILE` names.

White space around a value does not count, so a file's last newline doesn't either. Each reader raises
`ImproperlyConfigured` naming the setting, what it is and what is right; what may hold a secret is never repeated.
Gunicorn's configuration reads through here too, before there is a Django.
"""

import os
import re
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from shlex import quote
from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.core.exceptions import ImproperlyConfigured
from environ import Env

from keys_app.core.http.public_addresses import is_https_or_loopback
from portal.weak_secrets import require_random, who_else_reads

DAY = 24 * 60 * 60
_MAPPED = IPv6Network("::ffff:0:0/96")
_PORT = re.compile(r"(?:^[^:]*|\]):[0-9]+$")
_HOST = re.compile(r"(?:\*\.)?[a-z0-9](?:[a-z0-9_.-]*[a-z0-9])?|[0-9a-f:]*:[0-9a-f:.]*", re.ASCII)
_USUAL_PORTS = {"https": 443, "http": 80}
_ON, _OFF = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
_NOT_EXPANDED = re.compile(r"\$\w*|.*\$\{\w*\}.*", re.DOTALL)
_LIMIT = re.compile(r"([a-z]+)=([0-9]{1,5})", re.ASCII)
_A_DATABASE = "postgres://user:password@host:5432/name or sqlite:////path/to/file"
_ENGINES = ("django.db.backends.sqlite3", "django.db.backends.postgresql")


def text(name: str, default: str = "") -> str:
    """Return a setting as it is, or `default`. Empty is refused unless the default is."""
    value = _value(name)
    if value is None:
        return default
    if default and not value:
        raise ImproperlyConfigured(f"{name} must not be empty.")
    return value


def secret(name: str, how: str, *, least: int = 0, needed: bool = True) -> str:
    """Return a secret, which no one else on this machine may be able to read or guess; `how` says how to make one.

    It has at least `least` characters. Empty only where it is not `needed`.
    """
    value = private(name)
    if not value and needed:
        raise ImproperlyConfigured(f"Set {name} (or {name}_FILE). {how}")
    if value and least:
        if len(value) < least:
            raise ImproperlyConfigured(f"{name} is too short: it needs at least {least} characters. {how}")
        require_random(name, value, how)
    return value


def private(name: str) -> str:
    """Return a setting that is, or holds, a secret of another system; empty if it is not set."""
    return _value(name, private=True) or ""


def listed(name: str, default: str = "") -> list[str]:
    """Return the parts of a setting that are separated by commas."""
    return [part for given in text(name, default).split(",") if (part := given.strip())]


def path(name: str, default: Path) -> Path:
    """Return a setting that names a file or a directory."""
    return Path(text(name, str(default)))


def number(name: str, default: int, *, least: int, most: int) -> int:
    """Return a whole number from `least` to `most`."""
    return int(_number(name, default, least, most, whole=True))


def decimal(name: str, default: float, *, least: float, most: float) -> float:
    """Return a number from `least` to `most`."""
    return _number(name, default, least, most, whole=False)


def seconds(name: str, default: int, *, least: int = 1, most: int = 3650 * DAY) -> timedelta:
    """Return the time that a whole number of seconds is."""
    return timedelta(seconds=number(name, default, least=least, most=most))


def switch(name: str, default: bool = False) -> bool:
    """Return whether a setting is on (1, true, yes, on) or off (0, false, no, off)."""
    value = _value(name)
    if value is None:
        return default
    if value.lower() not in _ON + _OFF:
        raise ImproperlyConfigured(f"{name} must be 1 or 0, not {_quoted(value)}.")
    return value.lower() in _ON


def limits(name: str, default: dict[str, int]) -> dict[str, int]:
    """Return numbers by name: `requests=10,pastes=0`, one left out as in `default`; `0` alone is 0 for all."""
    value = _value(name)
    if value is None:
        return default
    if value == "0":
        return dict.fromkeys(default, 0)
    example = ",".join(f"{one}={most}" for one, most in default.items())
    given = [_LIMIT.fullmatch(part.strip()) for part in value.split(",")]
    found = {match[1]: int(match[2]) for match in given if match and match[1] in default}
    if len(found) < len(given):
        raise ImproperlyConfigured(
            f"{name} must be 0, or numbers up to 99999 for some of {example}, each once, not {_quoted(value)}."
        )
    return {**default, **found}


def origin(name: str, default: str) -> SplitResult:
    """Return an address as scheme, host and port: https, or http to this machine, without path, query or user.

    It is written as browsers write it: in small letters, and without the port that goes without saying.
    """
    value = text(name, default)
    got = "" if "@" in value else f", not {_quoted(value)}"  # a password may stand before the @
    wrong = ImproperlyConfigured(f"{name} must be an origin such as https://portal.example.com{got}.")
    try:
        parts = urlsplit(value.rstrip("/"))
        readable = parts.port is None or parts.port > 0
    except ValueError:
        raise wrong from None
    if not readable or not parts.hostname or parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        raise wrong
    if not is_https_or_loopback(parts):
        raise ImproperlyConfigured(f"{name} must start with https://; http:// is for loopback addresses only{got}.")
    netloc = parts.netloc.lower().rstrip(":")
    if parts.port == _USUAL_PORTS[parts.scheme]:
        netloc = netloc.removesuffix(f":{parts.port}")
    return parts._replace(netloc=netloc)


def networks(name: str) -> list[IPv4Network | IPv6Network]:
    """Return networks and single addresses that are separated by commas, in the form a client's address has."""
    found = []
    for given in listed(name):
        try:
            network = ip_network(given)
        except ValueError:
            raise _no_network(name, given) from None
        if network.version == 6 and network.subnet_of(_MAPPED):
            raise _no_network(name, given)
        found.append(network)
    return found


def _no_network(name: str, given: str) -> ImproperlyConfigured:
    right = "networks such as 10.0.1.0/24, addresses such as 127.0.0.1, or both, IPv4 ones written as IPv4"
    return ImproperlyConfigured(f"{name} must be {right}, separated by commas, not {_quoted(given)}.")


def hosts(name: str, default: str) -> tuple[list[str], list[str]]:
    """Return host names, and those of them that are written `name:*`, which may be followed by any port."""
    given = [host.lower() for host in listed(name, default)]
    for host in given:
        if host in ("*", "*:*"):
            raise ImproperlyConfigured(
                f"{name} must name the hosts the portal answers to: with * anyone could have it answer for theirs. "
                "Unset it, and it is the host of PORTAL_BASE_URL."
            )
        if _PORT.search(host):
            raise ImproperlyConfigured(
                f"{name} holds host names without a port, which is that of PORTAL_BASE_URL, or name:* for any port, "
                f"not {_quoted(host)}."
            )
    return [host.removesuffix(":*") for host in given], [host[:-2] for host in given if host.endswith(":*")]


def host_names(name: str) -> list[str]:
    """Return host names, and `*.example.com` for all below one, in small letters."""
    found = [host.lower().rstrip(".") for host in listed(name)]
    for host in found:
        if not _HOST.fullmatch(host):
            right = "host names such as hooks.example.com or *.example.com, separated by commas"
            raise ImproperlyConfigured(f"{name} must be {right}, not {_quoted(host)}.")
    return found


def bind() -> str:
    """Return what gunicorn listens on."""
    return text("PORTAL_BIND", "127.0.0.1:8000")


def database(name: str, default: str) -> dict[str, Any]:
    """Return Django's description of the database a URL names. The URL may hold a password."""
    value = database_url(name, default)
    wrong = ImproperlyConfigured(f"{name} must be {_A_DATABASE}.")
    if value.partition("://")[0] not in Env.DB_SCHEMES:
        raise wrong
    try:
        config: dict[str, Any] = Env.db_url_config(value)
    except ValueError:
        raise wrong from None
    if config["ENGINE"] not in _ENGINES:
        raise wrong
    return config


def database_url(name: str, default: str) -> str:
    """Return the URL of a database, as it is given."""
    return _address(name, default, _A_DATABASE)


def mail(name: str, default: str) -> dict[str, Any]:
    """Return Django's settings for the mail server a URL names. The URL may hold a password."""
    right = "an address such as smtp+tls://user:password@host:587"
    value = _address(name, default, right)
    try:
        config: dict[str, Any] = Env.email_url_config(value)
    except (ValueError, ImproperlyConfigured):
        raise ImproperlyConfigured(f"{name} must be {right}.") from None
    return config


def is_set(name: str) -> bool:
    """Tell whether a setting is given at all, even as an empty one."""
    return _value(name) is not None


def refuse_key_log() -> None:
    """Refuse to start where a variable asks to write the keys of every TLS connection to a file.

    urllib3 does so even with `trust_env` off.
    """
    if os.environ.get("SSLKEYLOGFILE"):
        raise ImproperlyConfigured("Unset SSLKEYLOGFILE: with it, TLS traffic to Twilio can be read back from a file.")


def workers() -> int:
    """Return the number of processes."""
    return number("PORTAL_WORKERS", 2, least=1, most=64)


def threads() -> int:
    """Return the number of threads of each process. One waits for Twilio, at least one more serves other people."""
    return number("PORTAL_THREADS", 16, least=2, most=256)


def twilio_concurrency() -> int:
    """Return how many threads of a process may wait for Twilio at once; by default 6 of 16, in proportion.

    Refused where no thread were left to serve the people who only browse.
    """
    there_are = threads()
    wanted = number("PORTAL_TWILIO_CONCURRENCY", max(1, min(6, there_are * 3 // 8)), least=1, most=255)
    if wanted >= there_are:
        raise ImproperlyConfigured(
            f"PORTAL_TWILIO_CONCURRENCY ({wanted}) must be less than PORTAL_THREADS ({there_are}): the other threads "
            "serve people while Twilio does not answer."
        )
    return wanted


def twilio_deadline() -> float:
    """Return the seconds a whole call to Twilio may take."""
    return decimal("PORTAL_TWILIO_DEADLINE", 30.0, least=0.1, most=300)


def head_deadline() -> float:
    """Return the seconds within which the head of a request has to arrive."""
    return decimal("PORTAL_HEAD_DEADLINE", 10.0, least=1, most=60)


def body_deadline() -> float:
    """Return the seconds within which the body of a request has to arrive.

    For one above 64 kB that is for each megabyte its page reads.
    """
    return decimal("PORTAL_BODY_DEADLINE", 30.0, least=1, most=600)


def send_deadline() -> float:
    """Return the seconds within which a client has to take the next part of its answer, or all that is left of it."""
    return decimal("PORTAL_SEND_DEADLINE", 30.0, least=1, most=600)


def _value(name: str, *, private: bool = False) -> str | None:
    """Return a setting's text without white space around it; None if it is not set. A file wins over a variable.

    A `private` one is refused in a file that others can read.
    """
    if file := os.environ.get(f"{name}_FILE"):
        try:
            found = Path(file).read_text(encoding="utf-8").strip()
            readers = who_else_reads(Path(file)) if private else ""
        except (OSError, ValueError):  # the name is not repeated: it may be the secret, set in the wrong variable
            raise ImproperlyConfigured(f"The file that {name}_FILE names cannot be read.") from None
        if readers:
            raise ImproperlyConfigured(
                f"The file that {name}_FILE names can be read by {readers}, and it holds a secret. "
                f"Run: chmod 600 {quote(file)}"
            )
        return found
    value = os.environ.get(name)
    return None if value is None else value.strip()


def _number(name: str, default: float, least: float, most: float, *, whole: bool) -> float:
    value = _value(name)
    if value is None:
        return default
    kind = "whole number" if whole else "number"
    wrong = ImproperlyConfigured(f"{name} must be a {kind} from {least:.10g} to {most:.10g}, not {_quoted(value)}.")
    if not value.isascii() or "_" in value:  # which Python would take
        raise wrong
    try:
        found = int(value) if whole else float(value)
    except ValueError:
        raise wrong from None
    if not least <= found <= most:  # also for "nan"
        raise wrong
    return found


def _address(name: str, default: str, right: str) -> str:
    """Return a URL that is neither empty nor the name of a variable that was to be put in its place."""
    value = _value(name, private=True)  # it may hold a password
    if value is None:
        return default
    if not value:
        raise ImproperlyConfigured(f"{name} is empty. Set it to {right}, or leave it unset.")
    if _NOT_EXPANDED.fullmatch(value):
        raise ImproperlyConfigured(f"{name} holds the name of a variable ($…) where its value should be: {right}.")
    return value


def _quoted(value: str) -> str:
    return f"“{' '.join(value[:60].split())}”"
