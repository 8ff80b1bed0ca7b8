import logging
import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import close_old_connections

from keys_app.services.reconciling import Findings, reconcile

log = logging.getLogger(__name__)


class Command(BaseCommand):
    help = (
        "Settle what lost answers and killed processes left open: delete keys nobody has the secret of, delete "
        "expired keys, retry revocations, lapse what waited too long."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--every", type=int, metavar="SECONDS", help="go on, with this pause between runs")

    def handle(self, *args: Any, **options: Any) -> None:
        every = options["every"]
        if every is None:
            self._once()
            return
        if every < 1:
            raise CommandError("--every needs at least 1 second.")
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        while not stop.is_set():
            try:
                self._report(reconcile(), quiet=True)
            except Exception:  # whatever it is, keys past their lifetime must still be deleted by a later run
                log.exception("the run failed; the next one tries again")
                close_old_connections()
            stop.wait(every)

    def _once(self) -> None:
        found = reconcile()
        self._report(found)
        if found.accounts_failed or found.not_revoked:
            raise CommandError("Not everything could be settled; see above and run it again.")

    def _report(self, found: Findings, quiet: bool = False) -> None:
        parts = [
            f"{found.orphans_deleted} keys without a known secret deleted",
            f"{found.never_created} attempts closed as never created",
            f"{found.still_open} attempts still open",
            f"{found.revoked} keys revoked, {found.not_revoked} not yet",
            f"{found.lapsed} requests lapsed",
            f"{found.accounts_failed} accounts not reached",
        ]
        if not quiet or any(vars(found).values()):
            self.stdout.write("; ".join(parts))
