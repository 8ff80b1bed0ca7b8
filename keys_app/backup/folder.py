"""What a backup's directory consists of, and how its files come to be there: for nobody else, and on the disk."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from keys_app.audit.merkle.checkpoint_files import write_new
from keys_app.core.errors import PortalError

CHECKPOINTS = "checkpoints"
MANIFEST = "manifest.json"
_PRIVATE, _PRIVATE_FOLDER = 0o600, 0o700
_PIECE = 1 << 20


class BackupRefused(PortalError):
    """A backup was not taken or not restored. The message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class FileSum:
    """How many bytes a file has, and their SHA-256 in hex."""

    bytes: int
    sha256: str


def made(folder: Path) -> Path:
    """Return the folder as an empty one for this user alone. Raises `BackupRefused` if something is in it already."""
    try:
        folder.mkdir(mode=_PRIVATE_FOLDER, exist_ok=True)
        if any(folder.iterdir()):
            raise BackupRefused(f"{folder} is not empty. Name a directory that is not there yet.")
        folder.chmod(_PRIVATE_FOLDER)
    except OSError as error:
        raise BackupRefused(f"{folder} can't be used: {error}") from None
    return folder


def copied(source: Path, target: Path, *, private: bool = True) -> None:
    """Copy a small file to a place that is on the disk when this returns. Raises `OSError`.

    What is not private has the rights that the portal gives it.
    """
    for folder in (*reversed(target.parent.parents), target.parent):
        if not folder.exists():
            folder.mkdir(mode=_PRIVATE_FOLDER if private else 0o755)
    write_new(target, source.read_bytes(), _PRIVATE if private else 0o644)


def written(path: Path, text: str) -> None:
    """Write a small file, whole or not at all. Raises `OSError`."""
    write_new(path, text.encode(), _PRIVATE)


def settled(path: Path) -> None:
    """Make a file that another program wrote private, and bring it and its name to the disk. Raises `OSError`."""
    path.chmod(_PRIVATE)
    for one, how in ((path, os.O_RDWR), (path.parent, os.O_RDONLY)):
        number = os.open(one, how)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def sum_of(path: Path) -> FileSum:
    """Return size and hash of a file, read in pieces. Raises `OSError`."""
    digest, count = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
            count += len(piece)
    return FileSum(count, digest.hexdigest())


def sums(folder: Path) -> dict[str, FileSum]:
    """Return each file in a backup but its manifest, by its path in there. Raises `OSError`."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / MANIFEST)
    return {str(path.relative_to(folder)): sum_of(path) for path in files}
