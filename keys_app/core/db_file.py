"""The file of an SQLite database under a running process: somebody may put another one in its place.

A connection goes on with the file it has opened, which nobody else sees any more. So each remembers which one that
was, and is given up for a new one when a request, or a run of a command, begins.
"""

import os
from typing import Any

from django.core.signals import request_started
from django.db import connection
from django.db.backends.signals import connection_created

from keys_app.core.db import for_database

Inode = tuple[int, int]
_REMEMBERED = "_opened_file"


def watch() -> None:
    """Remember each connection's file from now on, and look at it when a request begins."""
    connection_created.connect(_remember, dispatch_uid="db_file")
    request_started.connect(_look, dispatch_uid="db_file")


def _remember(connection: Any, **_: Any) -> None:
    setattr(connection, _REMEMBERED, _there())


def _look(**_: Any) -> None:
    reopen_if_replaced()


def opened() -> Inode:
    """Return device and inode of the file that this thread's connection has open; zeros if it is not known."""
    return getattr(connection, _REMEMBERED, None) or (0, 0)


def is_replaced() -> bool:
    """Tell whether the file of this thread's open connection is no longer the one at its path."""
    remembered = getattr(connection, _REMEMBERED, None)
    return connection.connection is not None and remembered is not None and remembered != _there()


def reopen_if_replaced() -> None:
    """Give up a connection to a file that is no longer there, unless a transaction is running on it."""
    if is_replaced() and not connection.in_atomic_block:
        connection.close()


def _there() -> Inode | None:
    """Return device and inode of the file at the path; None where there is none."""
    return for_database(sqlite=_of_file, postgresql=_of_none)()


def _of_none() -> None:
    """Say nothing of a server, which keeps its files to itself."""


def _of_file() -> Inode | None:
    try:
        found = os.stat(connection.settings_dict["NAME"])  # noqa: PTH116 - may be a URI, which is no path
    except OSError:
        return None
    return found.st_dev, found.st_ino
