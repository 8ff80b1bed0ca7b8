import os
from typing import Any

from django.core.management.base import CommandError, CommandParser

from keys_app.core.actor import Actor
from keys_app.core.errors import PortalError
from keys_app.core.text import counted
from keys_app.management.ledger_command import LedgerCommand
from keys_app.reconcile.ledger_check import LedgerCheck
from keys_app.reconcile.row_check import RowCheck


class Command(LedgerCommand):
    help = (
        "Verify the whole audit ledger against its tree and every checkpoint of the database and of "
        "PORTAL_CHECKPOINT_DIR, and what guards it. Exit status 0 if it is sound; otherwise 1, and the first bad "
        "event, or what of the guards is missing, is named."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--processes", type=int, default=len(os.sched_getaffinity(0)), metavar="N", help="how many work at once"
        )

        parser.add_argument(
            "--search", action="store_true", help="check as well that a search finds every event; this takes longer"
        )

        parser.add_argument(
            "--rows", action="store_true", help="name each request, approval, key and owner that no event explains"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["processes"] < 1:
            raise CommandError("--processes needs at least 1.")
        rows = RowCheck(self.stderr.write) if options["rows"] else None
        check = LedgerCheck(Actor.operator("audit_verify"), search=options["search"], rows=rows)
        found = check.found
        try:
            for done in check.run(options["processes"]):
                self._show(done, found.size)
        except PortalError as error:
            raise CommandError(error.message) from None
        if found.fault:
            said = f"NOT SOUND. First bad event: {found.fault.event}. {found.fault.text}"
            raise CommandError("\n".join([said, *check.unguarded]))
        if check.fault:
            raise CommandError(f"SEARCH NOT COMPLETE. {check.fault.text} The events themselves are sound.")
        self._tell(check)
        if rows and rows.count:
            raise CommandError(
                "\n".join([f"NOT EXPLAINED: {counted(rows.count, 'difference')}, named above.", *check.unguarded])
            )
        if check.unguarded:
            said = "NOT GUARDED. The events are sound, but could be changed:"
            raise CommandError("\n".join([said, *check.unguarded]))

    def _tell(self, check: LedgerCheck) -> None:
        """Say what a sound ledger was held against, and where it was taken up again after a loss."""
        found = check.found
        self.stdout.write(f"Sound: {found.size} events, {found.held} checkpoints held against them.")
        for seam in found.checkpoints.parts.seams:
            self.stdout.write(f"SEAM: {seam}")
        if abandoned := found.checkpoints.abandoned:
            self.stdout.write(f"{counted(abandoned, 'abandoned checkpoint')} in the directory, held against nothing.")
        if check.guards and check.guards.remark:
            self.stdout.write(f"NOTE: {check.guards.remark}")
        if check.search:
            self.stdout.write("The search finds each of them by everything it should.")
        if check.rows and not check.rows.count:
            self.stdout.write("The requests, approvals and keys are what the events say.")
        if not found.held:
            self.stdout.write("Nothing was signed yet: a replaced history would not show. Run audit_checkpoint.")

    def _show(self, done: int, size: int) -> None:
        """Count on one line, where somebody watches."""
        if self.stdout.isatty():
            self.stdout.write(f"\r{done} of {size}", ending="\n" if done == size else "")
            self.stdout.flush()
