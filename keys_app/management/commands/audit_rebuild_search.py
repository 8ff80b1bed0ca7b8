from typing import Any

from django.core.management.base import CommandError
from django.db import DatabaseError

from keys_app.core.actor import Actor
from keys_app.management.ledger_command import LedgerCommand
from keys_app.reconcile.ledger_check import rebuild_search


class Command(LedgerCommand):
    help = (
        "Make the entries that searches of the audit use anew from its events, after audit_verify --search found some "
        "missing. Run it as the owner of the tables; nothing else can write meanwhile."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            rebuild_search(Actor.operator("audit_rebuild_search"))
        except DatabaseError as error:
            raise CommandError(f"Nothing was changed: {error}") from None
        self.stdout.write("The search was made anew from the events.")
