from typing import Any

from django.core.management.base import CommandError, CommandParser

from keys_app.audit.merkle import checkpoints
from keys_app.core.actor import Actor
from keys_app.core.errors import PortalError
from keys_app.core.text import counted
from keys_app.management.ledger_command import LedgerCommand
from keys_app.reconcile.ledger_check import sign_checkpoint
from keys_app.reconcile.ledger_recovery import recover


class Command(LedgerCommand):
    help = (
        "After a restored backup: abandon the signed checkpoints in PORTAL_CHECKPOINT_DIR that the ledger does not "
        "extend, name each in an event, and sign on as the ledger's next part. The seam stays visible for good."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--reason", required=True, help="what happened, for those who verify the ledger")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            done = recover(Actor.operator("audit_recover"), options["reason"])
        except PortalError as error:
            raise CommandError(error.message) from None
        for one in done.abandoned:
            self.stdout.write(f"Abandoned: the checkpoint of {one.size} events, part {one.part}")
        self.stdout.write(
            f"{counted(len(done.abandoned), 'checkpoint')} abandoned. The files stay where they are. The ledger goes "
            f"on as part {done.part}, signed with the key {checkpoints.signer().verifier}"
        )
        self.stdout.write("Give whoever verifies all keys: manage.py audit_checkpoint --verifier-key --all")
        try:
            self.stdout.write(sign_checkpoint().note, ending="")
        except PortalError as error:
            raise CommandError(f"The next checkpoint was not signed yet: {error.message}") from None
