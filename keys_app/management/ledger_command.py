"""What the commands that read the ledger have in common."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error

from keys_app.audit.ledger import LedgerDamaged

CANNOT_CHECK = 2


class LedgerCommand(BaseCommand):
    """A command that says in words what it can't read: a ledger without its end, a database that is cut off."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command. Exit status 2 where the database can't be read, so that nothing is known of the ledger."""
        try:
            return super().execute(*args, **options)
        except LedgerDamaged as error:
            raise CommandError(f"{str(error)[:1].upper()}{str(error)[1:]}.") from None
        except Error as error:
            words = " ".join(str(error).split())
            raise CommandError(f"Cannot check: the database can't be read: {words}", returncode=CANNOT_CHECK) from None
