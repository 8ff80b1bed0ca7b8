"""Takes a backup: checkpoints first, then the database, then the check that the two fit, the manifest last.

The order is what lets the copy verify. A checkpoint is signed after its events are in the database, so every one that
was copied *before* the database is of events that the copy has. The other way round, one signed in between would be
ahead of the copied ledger, as after a set-back. One that is ahead all the same shows that something is wrong, and the
backup is refused.
"""

from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from keys_app import __version__
from keys_app.audit.merkle import checkpoint_files, signed_note
from keys_app.core.db import for_database
from keys_app.core.times import rfc3339

from . import postgresql, sqlite
from .folder import CHECKPOINTS, BackupRefused, copied, made, sums
from .ledger import verified
from .manifest import Manifest


def backup(folder: Path) -> Manifest:
    """Take a backup into a directory that is empty or not there yet, and return what it holds.

    The portal may go on writing. Raises `BackupRefused`, or `CheckpointNotKept` if the checkpoints can't be read; what
    was copied until then has no manifest, and `restore` refuses it.
    """
    made(folder)
    copy_database = for_database(sqlite=sqlite.copy, postgresql=postgresql.copy)
    try:
        newest = _copy_outside(folder / CHECKPOINTS)
        with copy_database(folder) as client:
            events, root, fault = verified(folder / CHECKPOINTS)
            if fault:
                raise BackupRefused(f"The copy does not verify, so it is no backup. {fault} See audit_verify.")
            applied = [f"{app}.{name}" for app, name in MigrationRecorder(connection).applied_migrations()]
        manifest = Manifest(
            version=__version__,
            database=for_database(sqlite="sqlite", postgresql="postgresql"),
            client=client,
            taken_at=rfc3339(timezone.now()),
            events=events,
            root=signed_note.encode(root),
            checkpoint=newest,
            migrations=applied,
            files=sums(folder),
        )
        manifest.write(folder)
    except OSError as error:
        raise BackupRefused(f"The backup can't be written: {error}") from None
    return manifest


def _copy_outside(target: Path) -> int | None:
    """Copy what the ledger has outside the database; return the size of the newest checkpoint, if there is one."""
    target.mkdir(mode=0o700)
    for path in checkpoint_files.outside():
        copied(path, target / path.relative_to(settings.CHECKPOINT_DIR))
    return max((size for folder in checkpoint_files.part_folders(target) for size in folder.sizes), default=None)
