"""Restores a backup into an empty place, and never over anything that is there.

First everything that can be checked is, then the checkpoints are laid down, then the database, in one step each. So a
kill leaves no half of a database, and the command can be run again. Checkpoints that are outside already stay, newer
ones too, and so does the mark: they are what shows that the database is older than the world.
"""

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db.migrations.loader import MigrationLoader

from keys_app import __version__
from keys_app.audit.merkle import checkpoint_files, signed_note
from keys_app.core.db import for_database

from . import postgresql, sqlite
from .folder import CHECKPOINTS, BackupRefused, copied
from .ledger import verified
from .manifest import Manifest


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored. `to_migrate` counts this version's migrations that the database lacks.

    `ahead` is the size of the newest checkpoint outside if the ledger is behind it, else None. `fault` says what is
    wrong with the ledger; empty if nothing is.
    """

    manifest: Manifest
    to_migrate: int
    ahead: int | None
    fault: str


def restore(folder: Path) -> Restored:
    """Restore a backup into the database that `DATABASE_URL` names, which has to be empty and closed.

    Raises `BackupRefused` with nothing changed; or, while it is restored, with an empty database as it was.
    """
    manifest = Manifest.read(folder)
    to_migrate = _check_version(manifest)
    kind = for_database(sqlite="sqlite", postgresql="postgresql")
    if manifest.database != kind:
        raise BackupRefused(f"The backup is of {manifest.database}, and DATABASE_URL names {kind}.")
    manifest.check_files(folder)
    for_database(sqlite=sqlite.refuse_target, postgresql=postgresql.refuse_target)()
    _lay_down_checkpoints(folder / CHECKPOINTS)
    if kind == "sqlite":
        sqlite.restore(folder, manifest.files[sqlite.FILE])
    else:
        postgresql.restore(folder, manifest.client)
    return Restored(manifest, to_migrate, _ahead(manifest.events), _fault(folder, manifest))


def _check_version(manifest: Manifest) -> int:
    """Return how many migrations the backup lacks. Raises `BackupRefused` if it has others than this version."""
    ours = {f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations}
    theirs = set(manifest.migrations)
    if later := sorted(theirs - ours):
        raise BackupRefused(
            f"The backup is of version {manifest.version} and has migrations that version {__version__} does not know, "
            f"such as {later[0]}. Restore it with version {manifest.version}."
        )
    return len(ours - theirs)


def _lay_down_checkpoints(source: Path) -> None:
    """Copy the backup's checkpoints to where they are missing. Raises `BackupRefused` if another one is there."""
    target = settings.CHECKPOINT_DIR
    files = checkpoint_files.outside(source)
    try:
        for path in files:
            there = target / path.relative_to(source)
            if there.exists() and there.read_bytes() != path.read_bytes():
                raise BackupRefused(
                    f"{there} is another checkpoint than the backup's, so one of the two is of another ledger, or was "
                    "changed. Set PORTAL_CHECKPOINT_DIR to the directory that belongs to this portal, or to a new one."
                )
        for path in files:
            if not (there := target / path.relative_to(source)).exists():
                copied(path, there, private=False)
    except OSError as error:
        raise BackupRefused(f"PORTAL_CHECKPOINT_DIR can't be used: {error}") from None


def _ahead(events: int) -> int | None:
    newest = max((size for folder in checkpoint_files.part_folders() for size in folder.sizes), default=0)
    return newest if newest > events else None


def _fault(folder: Path, manifest: Manifest) -> str:
    """Return what is wrong with the restored ledger; empty if nothing is."""
    events, root, fault = verified(folder / CHECKPOINTS)
    if not fault and (events, signed_note.encode(root)) != (manifest.events, manifest.root):
        return f"It has {events} events, and the backup is of {manifest.events} or of others."
    return fault
