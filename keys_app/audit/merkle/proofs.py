"""Roots and proofs from the stored tree. Each reads O(log n) rows."""

from collections.abc import Iterable, Sequence

from keys_app.audit.models import AuditEvent

from . import tree
from .tree_store import load


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


def _hashes(ranges: list[tree.Range]) -> list[bytes]:
    known = _by_range(ranges)
    return [known[one] for one in ranges]


def _by_range(ranges: Iterable[tree.Range]) -> dict[tree.Range, bytes]:
    parts = {one: tree.subtrees(*one) for one in ranges}
    found = load(node for nodes in parts.values() for node in nodes)
    return {one: tree.fold([found[node] for node in nodes]) for one, nodes in parts.items()}
