"""Lets this thread read another database than the portal's for a while."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections
from django.db.utils import load_backend


@contextmanager
def default_database(**changes: Any) -> Iterator[None]:
    """Let the default connection be a new one, whose settings differ from the portal's in `changes`."""
    portal = connections["default"]
    configured = {**portal.settings_dict, **changes}
    connections["default"] = load_backend(configured["ENGINE"]).DatabaseWrapper(configured, "default")
    try:
        yield
    finally:
        connections["default"].close()
        connections["default"] = portal
