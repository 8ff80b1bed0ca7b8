"""Mapping a request, or an address whose method is not known, to permissions."""

import re
from collections.abc import Iterator
from dataclasses import replace

from keys_app.permissions.catalogue import Catalogue

from .endpoints import Endpoint, find_path, outcome, shown_host, shown_path, unknown_path
from .model import Suggestion
from .pieces import HOLE

_REGION = re.compile(r"[a-z]{2}\d")
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")
_EXTENSIONS = r"\.(?:json|xml|csv|mp3|wav)"
# After an extension comes a query at most.
_REST = re.compile(rf"(?P<extension>{_EXTENSIONS}){HOLE}.*\Z", re.DOTALL)
# A variable in a path is one segment, with no more beside it than the beginning of a SID or number, and an extension.
_SEGMENT = re.compile(rf"(?:\+?\d{{0,3}}|%2[Bb]\d{{0,3}}|[A-Z]{{2}}){HOLE}(?:{_EXTENSIONS})?")
_NO_VALUE = frozenset({"None", "null", "undefined", "nil"})
_SITES = frozenset({"www", "console", "support", "help"})


def map_request(method: str, url: str, known: Catalogue) -> Suggestion | str:
    """Return the permission a request needs, or a sentence on why none is suggested.

    `url` may have a `HOLE` for each part that is not known.
    """
    place = find_endpoint(url, method, known)
    return place if isinstance(place, str) else outcome(method, place, known)


def offer(url: str, known: Catalogue) -> Iterator[Suggestion | str]:
    """Yield all that may be done at an address, none of it certain, or a sentence on why nothing is."""
    place = find_endpoint(url, "", known)
    if isinstance(place, str):
        yield place
        return
    found = [outcome(method, place, known) for method in place.methods or ("GET",)]
    possible = [replace(item, certain=False) for item in found if isinstance(item, Suggestion)]
    if possible:
        yield from possible
        yield f"{place.shown}: what it is asked to do is not in what you pasted, so nothing is ticked for it."
    else:
        yield from found[:1]


def find_endpoint(url: str, method: str, known: Catalogue) -> Endpoint | str:
    """Return the endpoint at an address, or a sentence on why there is none. `method` is for the sentence alone."""
    host, path = _split(url)
    asked = f"{method} " if method else ""
    if not _HOST.fullmatch(host):
        shown = shown_path(_shown(path))
        return f"{asked}{shown}: the address has no host that can be read, so it is not clear what it is."
    labels = host.split(".")
    if labels[-2:] != ["twilio", "com"] or len(labels) < 3:
        return f"{shown_host(host)} is not a Twilio API, so no permission covers it."
    region = labels[-3] if len(labels) > 3 and _REGION.fullmatch(labels[-3]) else "us1"
    if region != "us1":  # Twilio's documentation of the Key resource, v1
        return f"{shown_host(host)} is another region. Restricted keys exist in the US region only."
    if not _is_whole(path):
        return f"{asked}{shown_host(host)}: the address is put together from parts that are not all in what you pasted."
    return find_path(labels[0], _shown(path)) or unknown_path(method, host, _shown(path), known).lstrip()


def is_api(url: str) -> bool:
    """Tell whether an address is one of Twilio's that is no website."""
    host, _ = _split(url)
    return host.endswith(".twilio.com") and host.split(".")[0] not in _SITES


def ends_open(url: str) -> bool:
    """Tell whether an address ends where more of it may come: in a slash, or in the middle of a hole."""
    rest = re.split(r"[?#]", url, maxsplit=1)[0]
    return rest.endswith("/")


def _split(url: str) -> tuple[str, str]:
    """Return host, in lower case and without user and port, and path. Never fails, unlike `urlsplit`."""
    rest = url.partition("://")[2] or url
    rest = re.split(r"[?#]", rest, maxsplit=1)[0].rstrip(".,;:)]>")
    host, _, path = rest.partition("/")
    host = host.rpartition("@")[2].partition(":")[0]
    return host.lower(), "/" + _REST.sub(r"\g<extension>", path)


def _is_whole(path: str) -> bool:
    """Tell whether each hole in a path is a segment of its own."""
    return all(HOLE not in part or _SEGMENT.fullmatch(part) for part in path.split("/"))


def _shown(path: str) -> str:
    """Return a path with `{}` for what is not known."""
    parts = ("{}" if part in _NO_VALUE else part.replace(HOLE, "{}") for part in path.split("/"))
    return "/".join(parts)
