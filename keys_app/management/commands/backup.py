from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from keys_app.backup.take import backup
from keys_app.core.errors import PortalError
from keys_app.core.text import counted

NOT_INCLUDED = (
    "Not in it: the keys of the environment (PORTAL_SECRET_KEY, PORTAL_ENCRYPTION_KEYS, PORTAL_AUDIT_SIGNING_KEY). "
    "Keep them elsewhere: without PORTAL_ENCRYPTION_KEYS the stored credentials can't be read."
)


class Command(BaseCommand):
    help = (
        "Copy the database and its checkpoints into a new directory, as they are at one moment while the portal goes "
        "on, and verify the copy's ledger. The keys of the environment are not in it. `restore` puts it back."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("directory", type=Path, help="a directory that is empty or not there yet")

    def handle(self, *args: Any, **options: Any) -> None:
        folder = options["directory"]
        try:
            made = backup(folder)
        except PortalError as error:
            raise CommandError(f"{error.message} No backup was made.") from None
        newest = "no checkpoint" if made.checkpoint is None else f"the newest checkpoint is of {made.checkpoint}"
        self.stdout.write(f"{folder}: version {made.version}, {counted(made.events, 'event')}, verified; {newest}.")
        self.stdout.write(NOT_INCLUDED)
