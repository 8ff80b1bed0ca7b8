import contextlib
import os
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db.models import QuerySet

from keys_app.audit import ledger
from keys_app.audit.search.engine import Search
from keys_app.audit.search.query import QueryError, parse
from keys_app.core.actor import Actor
from keys_app.core.errors import PortalError
from keys_app.management.ledger_command import LedgerCommand
from keys_app.reports.downloads import export_jsonl

FILTERS = {
    "action": "the beginning of the action, such as key.",
    "actor": "a part of the person's name",
    "account": "the beginning of the account's SID",
}
SEARCH = "a search line as on the audit's page, such as 'action:key.issued created:>=2026-11-01'"


class Command(LedgerCommand):
    help = (
        "Write the audit ledger, or the events that match, as JSON Lines with proofs, to standard output or a file. "
        "keys_app/audit/offline_verifier.py checks the result. Exporting is itself an event."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--output", type=Path, metavar="FILE", help="a new file instead of standard output")
        for name, text in FILTERS.items():
            parser.add_argument(f"--{name}", default="", help=text)
        parser.add_argument("--search", default="", metavar="LINE", help=SEARCH)

    def handle(self, *args: Any, **options: Any) -> None:
        events, wanted = self._wanted(options)
        try:
            path = options["output"]  # a file that is there is not overwritten
            with path.open("xb") if path else contextlib.nullcontext(sys.stdout.buffer) as file:
                exported = export_jsonl(
                    actor=Actor.operator("audit_export"),
                    events=events,
                    filtered=bool(wanted),
                    header={"filter": wanted},
                )
                file.writelines(exported.pieces)
                file.flush()
        except PortalError as error:
            raise CommandError(error.message) from None
        except BrokenPipeError:
            # whoever read it has gone; without this, Python would complain while it closes standard output
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise CommandError("Whoever was reading the export has stopped; it is not complete.") from None
        except OSError as error:
            raise CommandError(f"The export cannot be written: {error}") from None
        if exported.problem:
            raise CommandError(f"The events were exported, but the ledger is not sound: {exported.problem}")

    def _wanted(self, options: dict[str, Any]) -> tuple[QuerySet[ledger.AuditEvent], object]:
        """Return the events that are asked for, and what was asked, which goes into the header."""
        filters = {name: options[name] for name in FILTERS if options[name]}
        if not options["search"].strip():
            return ledger.matching(**filters), filters
        if filters:
            raise CommandError(f"Give --search or --{next(iter(filters))}, not both: a search line can say it all.")
        try:
            query = parse(options["search"])
        except QueryError as error:
            raise CommandError(f"--search: {error.message}") from None
        return Search(query, upto=ledger.size()).rows(), query.render()
