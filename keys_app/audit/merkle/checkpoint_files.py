"""The checkpoints outside the database: a file for each, named by tree size, which nothing here ever changes.

Those of the ledger's first part are in PORTAL_CHECKPOINT_DIR itself, those of a later one in a folder below it that is
named as that part's checkpoints are: the origin, and the part's number.
"""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from keys_app.core.errors import CheckpointNotKept, HistoryReplaced

MAX_BYTES = 20_000
BREACHES = "breach-"
"""How the names of files begin that `keys/breaches.py` keeps beside the checkpoints."""


@dataclass(frozen=True, slots=True)
class PartFolder:
    """The folder that has the checkpoints of one part of the ledger, and the sizes they are of, smallest first."""

    part: int
    path: Path
    sizes: tuple[int, ...]

    def read(self, size: int) -> str:
        """Return the note of a tree size; empty if its file cannot be read as one."""
        try:
            with (self.path / str(size)).open("rb") as file:
                return file.read(MAX_BYTES).decode()
        except (OSError, UnicodeDecodeError):
            return ""


def part_folders(root: Path | None = None) -> list[PartFolder]:
    """Return the folders there are checkpoints in, that of the first part always and first. Other names don't count.

    `root` is another directory than PORTAL_CHECKPOINT_DIR, such as a backup's. Raises `CheckpointNotKept` if it is
    there but cannot be read.
    """
    root = root or settings.CHECKPOINT_DIR
    try:
        first, *others = _scanned(root)
    except OSError as error:
        raise CheckpointNotKept(f"PORTAL_CHECKPOINT_DIR cannot be read: {error}") from None
    later = (PartFolder(_number(path.name), path, sizes) for path, sizes in others if sizes)
    return [PartFolder(1, *first), *sorted((one for one in later if one.part > 1), key=lambda one: one.part)]


def _scanned(folder: Path) -> list[tuple[Path, tuple[int, ...]]]:
    """Return a folder with the sizes its files are named by, then those below it. Raises `OSError`."""
    sizes: list[int] = []
    inside: list[Path] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    inside.append(folder / entry.name)
                elif (size := _number(entry.name)) >= 0:
                    sizes.append(size)
    except FileNotFoundError:
        pass
    return [(folder, tuple(sorted(sizes))), *(found for one in sorted(inside) for found in _scanned(one))]


def _number(name: str) -> int:
    """Return the number a name is, written as portals write it; -1 if it is none."""
    return int(name) if name.isascii() and name.isdecimal() and str(int(name)) == name else -1


def named(origin: str) -> str:
    """Return the path, below PORTAL_CHECKPOINT_DIR, of the folder that is named as a later part's checkpoints are."""
    *parents, number = [name for name in origin.split("/") if name]
    return "/".join([*(f"_{name}" if name in (".", "..") or name.isdecimal() else name for name in parents), number])


def outside(root: Path | None = None) -> list[Path]:
    """Return the files that belong to the ledger outside the database: its checkpoints, and breaches it lacks yet.

    The mark is not among them: it speaks of the database there is, not of a copy. Raises `CheckpointNotKept`.
    """
    root = root or settings.CHECKPOINT_DIR
    files = [folder.path / str(size) for folder in part_folders(root) for size in folder.sizes]
    return files + sorted(root.glob(f"{BREACHES}*"))


def write(size: int, note: str, folder: Path) -> None:
    """Keep a checkpoint in a part's folder, whole or not at all.

    Raises `HistoryReplaced` if another one of this size is there, `CheckpointNotKept` if it cannot be written.
    """
    path = folder / str(size)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            if PartFolder(1, folder, ()).read(size) != note:
                raise HistoryReplaced(f"{path} holds another checkpoint than the database has for {size} events.")
            return
        write_new(path, note.encode())
    except OSError as error:
        raise CheckpointNotKept(f"The checkpoint of {size} events cannot be written: {error}") from None


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
