"""The mark: how far the ledger was, in a file outside the database, beside the checkpoints.

It is raised after each commit of an event, and never lowered. A ledger that is behind it, or has another event at that
place, is one that was set back.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from django.conf import settings

from keys_app.audit.merkle.checkpoint_files import write_new
from keys_app.core.errors import MarkNotKept

_CANNOT = "The portal's mark in PORTAL_CHECKPOINT_DIR cannot be"


@dataclass(frozen=True, slots=True)
class LedgerMark:
    """The ledger had `size` events, and `leaf` is the hash of the last of them, in hex; 0 and empty for none.

    `incarnation` is a random id that no other mark has, `database` the identifiers of the database it was written for.
    """

    incarnation: str
    database: str
    size: int
    leaf: str


def read() -> LedgerMark | None:
    """Return the mark, None if there is none. Raises `MarkNotKept` if it cannot be read."""
    try:
        return LedgerMark(**json.loads(_path().read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise MarkNotKept(f"{_CANNOT} read: {error}.") from None


def write(mark: LedgerMark) -> None:
    """Bring a mark to the disk, whole or not at all. Call it with the mark locked. Raises `MarkNotKept`."""
    try:
        write_new(_path(), json.dumps(asdict(mark)).encode())
    except OSError as error:
        raise MarkNotKept(f"{_CANNOT} written: {error}.") from None


def keep_aside(mark: LedgerMark) -> None:
    """Keep a mark that the ledger does not come up to under a name of its own: it is evidence."""
    try:
        write_new(_path().with_name(f"mark-{mark.size}-{mark.incarnation}"), json.dumps(asdict(mark)).encode())
    except OSError as error:
        raise MarkNotKept(f"{_CANNOT} written: {error}.") from None


@contextmanager
def locked() -> Iterator[None]:
    """Let one thread of one process at a time change the mark. Call it outside transactions only."""
    try:
        settings.CHECKPOINT_DIR.mkdir(parents=True, exist_ok=True)
        # The processes may run as different users: whoever may read the file can take its lock.
        lock = os.open(_path().with_name("mark.lock"), os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise MarkNotKept(f"{_CANNOT} written: {error}.") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _path() -> Path:
    return settings.CHECKPOINT_DIR / "mark"
