"""What shows that one event is in the ledger as it was signed."""

from dataclasses import dataclass

from keys_app.audit.models import AuditEvent

from . import checkpoints, parts, proofs, signed_note, tree
from .checkpoints import Signed
from .parts import Seam
from .tree_store import LedgerDamaged


@dataclass(frozen=True, slots=True)
class Evidence:
    """The proof of one event under one checkpoint. `problem` says what does not fit; empty if all does.

    `seams` are where the ledger that was signed was taken up again after a loss.
    """

    index: int
    leaf: bytes
    signed: Signed | None
    path: tuple[str, ...] = ()
    problem: str = ""
    seams: tuple[Seam, ...] = ()


def evidence(event: AuditEvent) -> Evidence:
    """Prove an event under the last checkpoint, from its canonical JSON; without one yet, only hash it."""
    index, leaf, signed = event.sequence - 1, tree.leaf_hash(event.canonical.encode()), checkpoints.latest()
    if leaf != bytes(event.leaf_hash):
        return Evidence(index, leaf, signed, problem="The event's content is not what was hashed when it was written.")
    if signed is None or signed.size <= index:
        return Evidence(index, leaf, None)
    try:
        path = proofs.inclusion_proof(index, signed.size)
    except LedgerDamaged as error:
        return Evidence(index, leaf, signed, problem=f"The stored tree is damaged: {error}")
    fits = tree.verify_inclusion(leaf=leaf, index=index, size=signed.size, proof=path, root=signed.root)
    problem = "" if fits else "The event does not belong to the tree that was signed."
    seams = tuple(seam for seam in parts.seams() if seam.event <= signed.size)
    return Evidence(index, leaf, signed, tuple(signed_note.encode(one) for one in path), problem, seams)
