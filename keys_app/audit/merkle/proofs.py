"""Roots and proofs from the stored tree. Each reads O(log n) rows."""

from collections.abc import Iterable, Sequence

from keys_app.audit.models import AuditEvent

from . import tree
from .tree_store import block, load

LEVEL = 9
BLOCK = 1 << LEVEL
"""How many events `block_proofs` proves together: those under one subtree of this level."""
WORTH_A_BLOCK = 8


def size() -> int:
    """Return how many events the ledger has."""
    return AuditEvent.objects.order_by("-sequence").values_list("sequence", flat=True).first() or 0


def root_at(size: int) -> bytes:
    """Return the root over the first `size` events. Raises `LedgerDamaged` if there are not as many."""
    return _hashes([(0, size)])[0]


def frontier_at(size: int) -> tree.Frontier:
    """Return the tree over the first `size` events, to go on from."""
    nodes = tree.subtrees(0, size)
    found = load(nodes)
    return tree.Frontier(size, (found[node] for node in nodes))


def inclusion_proof(index: int, size: int) -> list[bytes]:
    """Return the proof that event `index`, from 0, is among the first `size`, in RFC 6962's order."""
    return _hashes(tree.inclusion_ranges(index, size))


def consistency_proof(old: int, new: int) -> list[bytes]:
    """Return the proof that the first `old` events are the beginning of the first `new`, in RFC 6962's order."""
    return _hashes(tree.consistency_ranges(old, new))


def inclusion_proofs(indexes: Sequence[int], size: int) -> list[list[bytes]]:
    """Return the proofs of several events against one tree, with the nodes they share read once."""
    ranges = [tree.inclusion_ranges(index, size) for index in indexes]
    known = _by_range({one for path in ranges for one in path})
    return [[known[one] for one in path] for path in ranges]


def block_proofs(indexes: Sequence[int], size: int) -> list[list[bytes]]:
    """Return the proofs of events that are all of one block of `BLOCK`; its nodes are read as ranges.

    For many events that is fewer and quicker look-ups than `inclusion_proofs` makes, whose result is the same.
    """
    position = indexes[0] >> LEVEL
    if (position + 1) * BLOCK > size or len(indexes) < WORTH_A_BLOCK:
        return inclusion_proofs(indexes, size)
    known = block(LEVEL, position)
    above = _hashes(tree.inclusion_ranges(position * BLOCK, size)[LEVEL:])
    return [[*(known[level][(index % BLOCK >> level) ^ 1] for level in range(LEVEL)), *above] for index in indexes]


def _hashes(ranges: list[tree.Range]) -> list[bytes]:
    known = _by_range(ranges)
    return [known[one] for one in ranges]


def _by_range(ranges: Iterable[tree.Range]) -> dict[tree.Range, bytes]:
    parts = {one: tree.subtrees(*one) for one in ranges}
    found = load(node for nodes in parts.values() for node in nodes)
    return {one: tree.fold([found[node] for node in nodes]) for one, nodes in parts.items()}
