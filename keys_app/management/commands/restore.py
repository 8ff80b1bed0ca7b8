from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from keys_app.backup.restore import Restored, restore
from keys_app.core.errors import PortalError
from keys_app.core.text import counted

BEHIND = (
    "PORTAL_CHECKPOINT_DIR has a checkpoint of {ahead} events, so this database is older than what was signed: "
    "at least {lost} got lost. Nothing is signed until you run: manage.py audit_recover --reason …"
)
NEXT = (
    "Then start the portal and run: manage.py reconcile. If it finds that records are lost, it holds what depends on "
    "them, alarms Security and shows it under Reconciliation. After review: manage.py reconcile --resume"
)


class Command(BaseCommand):
    help = (
        "Put a backup into the database DATABASE_URL names, which has to be empty and closed, and its checkpoints "
        "where they are missing; then verify the ledger. Nothing is ever restored over something."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("directory", type=Path, help="what `backup` made")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            done = restore(options["directory"])
        except PortalError as error:
            raise CommandError(error.message) from None
        if done.fault:
            raise CommandError(
                f"The database was restored, but its ledger does not verify: {done.fault} Don't start the portal on it "
                "before you know why."
            )
        made = done.manifest
        self.stdout.write(
            f"Restored: version {made.version}, of {made.taken_at}, {counted(made.events, 'event')}, verified."
        )
        for line in _what_is_next(done):
            self.stdout.write(line)


def _what_is_next(done: Restored) -> list[str]:
    """Return what the operator does now, in this order."""
    lines = ["Check that the environment has the keys it had: PORTAL_ENCRYPTION_KEYS and PORTAL_AUDIT_SIGNING_KEY."]
    if done.to_migrate:
        lines.append(f"It lacks {counted(done.to_migrate, 'migration')} of this version. Run: manage.py migrate")
    if done.manifest.database == "postgresql":
        lines.append("Rights of a run-time role are not restored. As the tables' owner: manage.py postgresql_roles")
    if done.ahead is not None:
        lines.append(BEHIND.format(ahead=done.ahead, lost=counted(done.ahead - done.manifest.events, "event")))
    return [*lines, NEXT]
