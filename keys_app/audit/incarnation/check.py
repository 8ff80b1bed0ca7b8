"""Finds out whether the database is the one the mark was written for.

Whatever is proved to be older than the world is entered as a `SetBack`: from then on what depends on records that may
be lost is held, until a person has looked. A new incarnation begins with it, whose attempts are the portal's own.
"""

import base64
import binascii

from keys_app.audit.merkle import checkpoints, proofs
from keys_app.audit.merkle.tree_store import LedgerDamaged

from . import mark
from .advance import begin, goes_on
from .identifiers import identifiers
from .mark import LedgerMark
from .set_backs import enter


def current() -> str:
    """Return the id of the incarnation that this process works on.

    Where the database is not the one of the mark, a new incarnation begins, and if it is older, that is entered first.
    Raises `MarkNotKept` if the mark cannot be read or written. Call it outside transactions.
    """
    here = identifiers()
    while True:
        with mark.locked():
            kept = mark.read()
            older = kept is not None and not goes_on(kept)
            if kept and kept.database == here and not older:
                return kept.incarnation
            if not older:
                return begin(here)
        assert kept is not None
        _enter_mark(kept)  # not under the lock: whoever has the ledger's lock may wait for this one
        with mark.locked():
            if mark.read() == kept:
                mark.keep_aside(kept)
                return begin(here)


def _enter_mark(kept: LedgerMark) -> None:
    enter(
        f"mark:{kept.size}:{kept.incarnation}",
        f"The portal's mark outside the database is of {kept.size} events, and the ledger does not have that event: it "
        f"ends at {proofs.size()}.",
    )


def check_newest_checkpoint() -> None:
    """Enter it if the newest checkpoint outside is of more events than the ledger has, or of others.

    Raises `CheckpointNotKept` if the directory cannot be read.
    """
    for size, note in checkpoints.newest_outside():
        root = _root_in(note)
        try:
            fits = size <= proofs.size() and (not root or proofs.root_at(size) == root)
        except LedgerDamaged:
            fits = True  # that is no older ledger, but a broken one, which the signer and audit_verify tell of
        if not fits:
            what = f"The newest checkpoint outside the database is of {size} events, and not of this ledger's."
            enter(f"checkpoint:{size}:{root.hex()[:32]}", f"{what} It ends at {proofs.size()}.")


def _root_in(note: str) -> bytes:
    """Return the root that a note says, whoever signed it; empty where there is none."""
    try:
        return base64.b64decode(note.split("\n")[2], validate=True)
    except (IndexError, binascii.Error, ValueError):
        return b""
