from typing import Any

from django.core.checks import CheckMessage, Error, Tags, Warning
from django.core.checks.registry import registry
from django.core.management.commands import check
from django.db import Error as DatabaseError

from keys_app.reconcile import guard_check

MEND = "Find out who changed the database. docs/audit.md, “Verify”, says how to put it right."


def guards(**_: Any) -> list[CheckMessage]:
    """Return an error for each guard of the database that is missing, a warning where it could be stricter."""
    try:
        found = guard_check.look()
    except DatabaseError:
        return []  # it is down: what needs it says so
    faults: list[CheckMessage] = [Error(fault, hint=MEND, id="portal.E003") for fault in found.faults]
    return faults + ([Warning(found.remark, id="portal.W005")] if found.remark else [])


class Command(check.Command):
    def handle(self, *app_labels: Any, **options: Any) -> None:
        """Look at the database's guards too: not so `migrate`, which runs all other checks as the tables' owner."""
        registry.register(guards, Tags.security)
        try:
            super().handle(*app_labels, **options)
        finally:
            registry.registered_checks.discard(guards)
