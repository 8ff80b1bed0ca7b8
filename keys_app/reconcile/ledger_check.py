"""Signing and checking the ledger, and what is said when it is not what it was."""

import hashlib
import logging
import time
from collections.abc import Iterator

from django.db import connection, transaction

from keys_app.audit import ledger
from keys_app.audit.faults import LedgerFault
from keys_app.audit.ledger import LedgerDamaged
from keys_app.audit.merkle import checkpoints
from keys_app.audit.record import record
from keys_app.audit.search import index
from keys_app.audit.search.index_check import SearchCheck
from keys_app.audit.verification import Verification
from keys_app.core.actor import Actor
from keys_app.core.errors import HistoryReplaced
from keys_app.notifications import notify

from . import guard_check
from .row_check import RowCheck

log = logging.getLogger(__name__)

VERIFY_PAGE = "/audit/verify/"


def sign_checkpoint() -> checkpoints.Signed:
    """Sign the head of the ledger, keep it, and tell those who follow it.

    Raises `HistoryReplaced`, after an alarm, if the ledger does not extend what was signed before.
    """
    try:
        signed = checkpoints.sign()
    except HistoryReplaced as error:
        tell("alarm.ledger", "The audit ledger does not extend its last checkpoint", error.message, key=error.message)
        raise
    if signed.new:
        tell("audit.checkpoint", f"Checkpoint of {signed.size} events", signed.note, key=f"checkpoint {signed.size}")
    return signed


class LedgerCheck:
    """A verification of the whole ledger that is recorded, as `audit.verified`, when it has come to its end."""

    def __init__(self, actor: Actor, *, search: bool = False, rows: RowCheck | None = None) -> None:
        """With `search`, also check that every event is found by what it should be found by, which takes longer.

        With `rows`, also hold the requests, approvals and keys against the events.
        """
        self.actor = actor
        self.rows = rows
        self.found = Verification()
        self.search = SearchCheck() if search else None
        self.guards: guard_check.GuardCheck | None = None
        self.recorded = False

    @property
    def fault(self) -> LedgerFault | None:
        return self.found.fault or (self.search.fault if self.search else None)

    @property
    def unguarded(self) -> list[str]:
        """What of the database's guards is missing, a sentence each."""
        return self.guards.faults if self.guards else []

    def run(self, processes: int = 1) -> Iterator[int]:
        """Verify, yielding the number of events done; record the result. An alarm is raised if something is wrong."""
        start = time.monotonic()
        yield from self.found.run(processes)
        if self.search and not self.found.fault:
            yield from self.search.run()
        self.guards = guard_check.look_and_tell(self.actor)
        if self.rows and not self.found.fault:
            self.rows.run()
        unexplained = self.rows.first if self.rows else []
        seconds, fault = round(time.monotonic() - start, 3), self.fault
        if fault:
            what = "The audit ledger is not sound" if self.found.fault else "The audit's search is not complete"
            tell("alarm.ledger", what, fault.text, key=fault.text)
        if unexplained:
            tell(
                "alarm.ledger", "What is stored is not what the events say", " ".join(unexplained), key=str(unexplained)
            )
        sound = fault is None and not self.unguarded and not unexplained
        result = {"sound": sound, "events": self.found.size, "checkpoints": self.found.held, "seconds": seconds}
        checks = self.found.checkpoints
        result |= {"part": checks.parts.current, "abandoned": checks.abandoned} if checks.parts.seams else {}
        result |= {"search": True} if self.search else {}
        result |= {"rows": True} if self.rows else {}
        problem = {"fault": fault.text, "first_bad_event": fault.event} if fault else {}
        problem |= {"unexplained": unexplained} if unexplained else {}
        problem |= {"unguarded": self.unguarded} if self.unguarded else {}
        try:
            with transaction.atomic(durable=True):
                record("audit.verified", self.actor, details={**result, **problem})
            self.recorded = True
        except LedgerDamaged as error:
            log.error("the verification of the ledger could not be recorded: %s", error)


def rebuild_search(actor: Actor) -> None:
    """Make what searches find events by anew, as the tables' owner. Nothing else can write meanwhile."""
    with transaction.atomic(durable=True):
        ledger.lock()  # before the table's own: whoever appends takes them in this order
        index.rebuild(connection)
        record("audit.search_rebuilt", actor)


def tell(kind: str, title: str, text: str, *, key: str) -> None:
    """Queue a notice for whoever follows the ledger; an alarm for Security too. Once for the same `key`."""
    log.log(logging.ERROR if kind.startswith("alarm.") else logging.INFO, "%s: %s", title, text.strip())
    once = f"{kind}:{hashlib.sha256(key.encode()).hexdigest()}"  # a key is not as long as what is wrong may be
    with transaction.atomic():
        notify.notify(kind, title=title, text=text, path=VERIFY_PAGE, key=once)
