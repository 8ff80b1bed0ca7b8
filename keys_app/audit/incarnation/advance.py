"""Raises the mark outside after what was committed."""

import logging
import secrets

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

    Raises `MarkNotKept` if the mark outside cannot be read, or is none of this ledger's.
    """
    kept = mark.read()
    if kept is None:
        return LedgerMark(secrets.token_hex(16), identifiers(), *_head())
    if not goes_on(kept):
        raise MarkNotKept("The ledger is older than the portal's mark in PORTAL_CHECKPOINT_DIR.")
    return LedgerMark(kept.incarnation, kept.database, *_head())


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


def keep_up() -> None:
    """Raise the mark after a commit. Where that fails, the log says so; issuing and the reconciler find it again."""
    try:
        raise_mark()
    except MarkNotKept as error:
        log.error("the mark was not raised: %s", error.why)
    except Exception:
        log.exception("the mark was not raised")


def ledger_grew() -> None:
    """Have the mark raised once the running transaction is committed."""
    if not any(hook[1] is keep_up for hook in connection.run_on_commit):
        transaction.on_commit(keep_up)


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
