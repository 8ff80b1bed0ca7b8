"""Holds a copied or restored ledger against the checkpoints of its backup."""

from pathlib import Path

from keys_app.audit.merkle import proofs
from keys_app.audit.merkle.tree_store import LedgerDamaged
from keys_app.audit.verification import Verification


def verified(checkpoints: Path) -> tuple[int, bytes, str]:
    """Return size and root of the ledger the default connection reads, and what is wrong; empty if nothing is.

    It is checked as `audit_verify` does, but against the checkpoints in this folder, and records nothing.
    """
    found = Verification(checkpoints)
    for _ in found.run():
        pass
    if found.fault:
        return found.size, b"", found.fault.text
    try:
        return found.size, proofs.root_at(found.size), ""
    except LedgerDamaged as error:
        return found.size, b"", str(error)
