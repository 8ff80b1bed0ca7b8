"""What `manage.py check` says of secrets and files that are there already and only the operator can mend."""

import base64
from pathlib import Path
from shlex import join
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning

from keys_app.core.db import for_database
from portal.weak_secrets import who_else_reads, why_weak

_BESIDE = ("", "-wal", "-shm")


def check(**_: Any) -> list[CheckMessage]:
    """System check: older encryption keys that can be guessed, and a database file that others can read."""
    return [*_old_keys(), *for_database(sqlite=_file, postgresql=_server)()]


def _old_keys() -> list[CheckMessage]:
    weak = [key for key in settings.ENCRYPTION_KEYS[1:] if why_weak(base64.urlsafe_b64decode(key.strip()))]
    if not weak:
        return []
    words = "PORTAL_ENCRYPTION_KEYS holds an older key that others can guess."
    hint = "Encrypt anew what it encrypted: connect each account again, and enter webhooks anew. Then remove it."
    return [Warning(words, hint=hint, id="portal.W006")]


def _server() -> list[CheckMessage]:
    """Say nothing of a server, which keeps its files to itself."""
    return []


def _file() -> list[CheckMessage]:
    name = str(settings.DATABASES["default"]["NAME"])
    readers = {path: _readers(path) for path in (Path(name + ending) for ending in _BESIDE)}
    open_to = [path for path, who in readers.items() if who]
    if not open_to:
        return []
    words = f"The database {name} can be read by {readers[open_to[0]]}."
    return [Warning(words, hint=f"Run: {join(['chmod', '600', *map(str, open_to)])}", id="portal.W007")]


def _readers(path: Path) -> str:
    try:
        return who_else_reads(path)
    except OSError:
        return ""  # it is not there, or no file: its own users say so
