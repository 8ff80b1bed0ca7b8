"""How many bytes of a body each page reads. Everything else is refused with a 413 before it is read."""

from typing import Any

SMALL = 64 * 1024
"""What anyone may send, and anyone who is not signed in."""

LARGER = {
    # A user may paste a whole log: that gets a message at its place, which needs it to be read.
    "portal:request_new": 12 * 1024 * 1024,
    # Each of up to 50 keys of a review may have a note.
    "portal:review_decide": 1024 * 1024,
    # A team's members and the permissions of guardrails are forms of many fields.
    "admin": 256 * 1024,
}
"""What users who are signed in may send, by the name of a page or of a group of pages."""

LARGEST = max(LARGER.values())


def of_page(path: str) -> int:
    """Return the most that a page reads of anyone."""
    from django.urls import Resolver404, resolve  # noqa: PLC0415 (the settings read this file, too)

    try:
        match = resolve(path)
    except Resolver404:
        return SMALL
    return LARGER.get(match.view_name, LARGER.get(match.namespace, SMALL))


def of_request(environ: dict[str, Any]) -> int:
    """Return the most that is read of a request whose head alone is there. The session is looked up if that matters."""
    from django.core.handlers.wsgi import WSGIRequest  # noqa: PLC0415 (gunicorn reads this file before Django)
    from django.db import close_old_connections  # noqa: PLC0415

    from portal.middleware import is_signed_in  # noqa: PLC0415

    request = WSGIRequest(environ)
    most = of_page(request.path_info)
    if most == SMALL:
        return SMALL
    close_old_connections()
    try:
        return most if is_signed_in(request) else SMALL
    finally:
        close_old_connections()
