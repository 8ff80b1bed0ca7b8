import logging
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import close_old_connections

from keys_app.audit.merkle import checkpoints, parts
from keys_app.core.errors import PortalError
from keys_app.management.ledger_command import LedgerCommand
from keys_app.management.repeating import add_every, pause_of, runs, stopped_by_signal
from keys_app.notifications import heartbeats
from keys_app.reconcile.ledger_check import sign_checkpoint

log = logging.getLogger(__name__)


class Command(LedgerCommand):
    help = (
        "Sign the head of the audit ledger and keep it in the database and in PORTAL_CHECKPOINT_DIR. Refuses, with "
        "an alarm and a non-zero exit, if the ledger does not extend its last checkpoint."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_every(parser)
        parser.add_argument("--verifier-key", action="store_true", help="print the key to verify with, sign nothing")
        parser.add_argument(
            "--all",
            action="store_true",
            help="with --verifier-key: those of each part of the ledger and the old ones, too",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        every = pause_of(options)
        try:
            key = checkpoints.signer().verifier
        except PortalError as error:
            raise CommandError(error.message) from None
        if options["all"] and not options["verifier_key"]:
            raise CommandError("--all goes with --verifier-key.")
        if options["verifier_key"]:
            keys = checkpoints.verifier_keys(parts.read().numbers) if options["all"] else [key]
            self.stdout.write("\n".join(map(str, dict.fromkeys(keys))))
        elif every is None:
            self._once()
        else:
            self._forever(every)

    def _once(self) -> None:
        try:
            self.stdout.write(sign_checkpoint().note, ending="")
        except PortalError as error:
            raise CommandError(error.message) from None

    def _forever(self, pause: int) -> None:
        stop = stopped_by_signal()
        since = heartbeats.start(heartbeats.SIGNER, pause)
        for _ in runs(stop):
            try:
                sign_checkpoint()
                heartbeats.beat(heartbeats.SIGNER)
            except PortalError as error:
                log.error("no checkpoint was signed: %s", error.message)
            except Exception:  # the database may be away for a while
                log.exception("no checkpoint was signed; the next run tries again")
                close_old_connections()
            heartbeats.look(since)
            stop.wait(pause)
