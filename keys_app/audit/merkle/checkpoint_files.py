"""The checkpoints outside the database: a file for each, named by tree size, which nothing here ever changes."""

import os
import tempfile
from pathlib import Path

from django.conf import settings

from keys_app.core.errors import CheckpointNotKept, HistoryReplaced

MAX_BYTES = 20_000
BREACHES = "breach-"
"""How the names of files begin that `keys/breaches.py` keeps beside the checkpoints."""


def sizes(folder: Path | None = None) -> list[int]:
    """Return the tree sizes there are checkpoints of, smallest first. Files with other names are not looked at.

    `folder` is another one than PORTAL_CHECKPOINT_DIR, such as a backup's. Raises `CheckpointNotKept` if it is there
    but cannot be read.
    """
    try:
        names = [path.name for path in (folder or settings.CHECKPOINT_DIR).iterdir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise CheckpointNotKept(f"PORTAL_CHECKPOINT_DIR cannot be read: {error}") from None
    return sorted(int(name) for name in names if name.isascii() and name.isdecimal() and str(int(name)) == name)


def read(size: int, folder: Path | None = None) -> str:
    """Return the note of a tree size; empty if its file cannot be read as one."""
    try:
        with _path(size, folder).open("rb") as file:
            return file.read(MAX_BYTES).decode()
    except (OSError, UnicodeDecodeError):
        return ""


def outside(folder: Path | None = None) -> list[Path]:
    """Return the files that belong to the ledger outside the database: its checkpoints, and breaches it lacks yet.

    The mark is not among them: it speaks of the database there is, not of a copy. Raises `CheckpointNotKept`.
    """
    folder = folder or settings.CHECKPOINT_DIR
    return [folder / str(size) for size in sizes(folder)] + sorted(folder.glob(f"{BREACHES}*"))


def write(size: int, note: str) -> None:
    """Keep a checkpoint, whole or not at all.

    Raises `HistoryReplaced` if another one of this size is there, `CheckpointNotKept` if it cannot be written.
    """
    path = _path(size)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            if read(size) != note:
                raise HistoryReplaced(f"{path} holds another checkpoint than the database has for {size} events.")
            return
        write_new(path, note.encode())
    except OSError as error:
        raise CheckpointNotKept(f"The checkpoint of {size} events cannot be written: {error}") from None


def _path(size: int, folder: Path | None = None) -> Path:
    return (folder or settings.CHECKPOINT_DIR) / str(size)


def write_new(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write beside it, bring it to the disk, and give it its name. Raises `OSError`."""
    number, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(number, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(number, mode)
            os.fsync(number)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
