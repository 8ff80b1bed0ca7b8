import logging
import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import close_old_connections

from keys_app.audit import checkpoints
from keys_app.domain.errors import PortalError
from keys_app.services.auditing import sign_checkpoint
from keys_app.services.repeats import sum_up

log = logging.getLogger(__name__)


class Command(BaseCommand):
    help = (
        "Sign the head of the audit ledger and keep it in the database and in PORTAL_CHECKPOINT_DIR. Refuses, with "
        "an alarm and a non-zero exit, if the ledger does not extend its last checkpoint."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--every", type=int, metavar="SECONDS", help="go on, with this pause between checkpoints")
        parser.add_argument("--verifier-key", action="store_true", help="print the key to verify with, sign nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            key = checkpoints.signer().verifier
        except PortalError as error:
            raise CommandError(error.message) from None
        if options["verifier_key"]:
            self.stdout.write(str(key))
        elif options["every"] is None:
            self._once()
        elif options["every"] < 1:
            raise CommandError("--every needs at least 1 second.")
        else:
            self._forever(options["every"])

    def _once(self) -> None:
        sum_up()
        try:
            self.stdout.write(sign_checkpoint().note, ending="")
        except PortalError as error:
            raise CommandError(error.message) from None

    def _forever(self, pause: int) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        while not stop.is_set():
            try:
                sum_up()
                sign_checkpoint()
            except PortalError as error:
                log.error("no checkpoint was signed: %s", error.message)
            except Exception:  # the database may be away for a while
                log.exception("no checkpoint was signed; the next run tries again")
                close_old_connections()
            stop.wait(pause)
