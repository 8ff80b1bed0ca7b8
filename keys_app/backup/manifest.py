"""The manifest: what a backup holds. It is written last, so a backup without one was not finished."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from .folder import MANIFEST, BackupRefused, FileSum, sums, written

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup is of. `root` is the ledger's, base64; `checkpoint` the size of the newest one, None without any.

    `client` is the program that wrote the database's file, `migrations` are named “app.name”, in their order.
    """

    version: str
    database: str
    client: str
    taken_at: str
    events: int
    root: str
    checkpoint: int | None
    migrations: list[str]
    files: dict[str, FileSum]

    def write(self, folder: Path) -> None:
        """Write it into the backup, which is complete then. Raises `OSError`."""
        content = {"format": FORMAT, **asdict(self)}
        written(folder / MANIFEST, json.dumps(content, indent=1, sort_keys=True) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read a backup's. Raises `BackupRefused` if there is none, or none that this version can read."""
        path = folder / MANIFEST
        try:
            content: dict[str, Any] = json.loads(path.read_text())
            if content.pop("format") != FORMAT:
                raise BackupRefused(f"{path} is of a later version of the portal.")
            files = {name: FileSum(**one) for name, one in content.pop("files").items()}
            return cls(**content, files=files)
        except FileNotFoundError:
            raise BackupRefused(
                f"{folder} has no manifest, so the backup in it was not finished, or it is none. Use another one."
            ) from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise BackupRefused(f"{path} can't be read: {error}") from None

    def check_files(self, folder: Path) -> None:
        """Raise `BackupRefused`, naming the first file that is missing, was changed, or does not belong here."""
        try:
            found = sums(folder)
        except OSError as error:
            raise BackupRefused(f"The backup can't be read: {error}") from None
        for name in sorted(self.files.keys() | found.keys()):
            if name not in found:
                raise BackupRefused(f"{folder / name} is missing from the backup.")
            if name not in self.files:
                raise BackupRefused(f"{folder / name} is not part of the backup.")
            if found[name] != self.files[name]:
                raise BackupRefused(f"{folder / name} was changed after the backup was taken.")
