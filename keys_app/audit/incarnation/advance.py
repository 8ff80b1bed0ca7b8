"""Raises the mark outside after what was committed."""

import logging
import secrets
from dataclasses import dataclass

from django.db import connection, transaction

from keys_app.audit.models import AuditEvent
from keys_app.core import db_file
from keys_app.core.errors import MarkNotKept

from . import mark
from .identifiers import identifiers
from .mark import LedgerMark

log = logging.getLogger(__name__)


def raise_mark() -> None:
    """Bring outside, durably, how far the ledger is.

    Raises `MarkNotKept` if it cannot be written, or the database is not, or no longer, the one it was written for. Call
    it outside transactions.
    """
    raise_to(next_mark())


def next_mark() -> LedgerMark:
    """Return the mark of the ledger as this transaction sees it, for `raise_to` once it is committed.

    Raises `MarkNotKept` if the mark outside cannot be read, or is none of this ledger's. What an event of this
    transaction raises after the commit is then this one.
    """
    hooks = _hooks()
    head = hooks[-1].head if hooks else _head()
    new = _mark_of(head)
    if hooks:
        hooks[-1].mark = new
    return new


def _mark_of(head: tuple[int, str]) -> LedgerMark:
    kept = mark.read()
    if kept is None:
        return LedgerMark(secrets.token_hex(16), identifiers(), *head)
    if not goes_on(kept):
        raise MarkNotKept("The ledger is older than the portal's mark in PORTAL_CHECKPOINT_DIR.")
    return LedgerMark(kept.incarnation, kept.database, *head)


def raise_to(new: LedgerMark) -> None:
    """Bring a mark outside, durably, unless one as high is there. It asks the database nothing.

    Raises `MarkNotKept` if it cannot be written, if another incarnation began meanwhile, or if another file took the
    place of the database. Call it outside transactions.
    """
    if db_file.is_replaced():
        raise MarkNotKept("Another file is in the place of the database that this process works on.")
    with mark.locked():
        kept = mark.read()
        if kept is not None and kept.incarnation != new.incarnation:
            raise MarkNotKept("The database was found to be another one meanwhile.")
        if kept is None or new.size > kept.size:
            mark.write(new)


@dataclass(slots=True)
class _KeepUp:
    """Raises the mark to an event after its commit; `mark` where that is known by then.

    Where that fails, the log says so; issuing and the reconciler find it again.
    """

    head: tuple[int, str]
    mark: LedgerMark | None = None

    def __call__(self) -> None:
        try:
            raise_to(self.mark or _mark_of(self.head))
        except MarkNotKept as error:
            log.error("the mark was not raised: %s", error.why)
        except Exception:
            log.exception("the mark was not raised")


def _hooks() -> list[_KeepUp]:
    """Return what the running transaction raises after its commit, in the order of its events."""
    return [hook[1] for hook in connection.run_on_commit if isinstance(hook[1], _KeepUp)]


def ledger_grew(size: int, leaf: bytes) -> None:
    """Have the mark raised to this event, the last one now, once the running transaction is committed.

    An event before it, which the same savepoints hold, need not raise it any more.
    """
    held_by = set(connection.savepoint_ids)
    connection.run_on_commit = [
        hook for hook in connection.run_on_commit if not (isinstance(hook[1], _KeepUp) and hook[0] == held_by)
    ]
    transaction.on_commit(_KeepUp((size, leaf.hex())))


def _head() -> tuple[int, str]:
    """Return how many events the ledger has, and the hash of the last in hex."""
    found = AuditEvent.objects.order_by("-sequence").values_list("sequence", "leaf_hash").first()
    return (found[0], bytes(found[1]).hex()) if found else (0, "")


def goes_on(kept: LedgerMark) -> bool:
    """Tell whether the ledger has the event the mark is of."""
    if not kept.size:
        return True
    leaf = AuditEvent.objects.filter(pk=kept.size).values_list("leaf_hash", flat=True).first()
    return leaf is not None and bytes(leaf).hex() == kept.leaf


def begin(here: str) -> str:
    """Write the mark of a new incarnation, and return its id."""
    size, leaf = _head()
    mark.write(LedgerMark(incarnation := secrets.token_hex(16), here, size, leaf))
    return incarnation
