"""The Merkle tree of RFC 6962 as plain functions: roots, proofs, and their verification.

Hashes are 32 bytes. Leaves are counted from 0. A complete subtree is named by `(level, position)`: it holds
the 2**level leaves from position * 2**level on, so level 0 is the leaves themselves.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence

Node = tuple[int, int]
Range = tuple[int, int]

LEAF_PREFIX = b"\x00"
NODE_PREFIX = b"\x01"
EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf (RFC 6962, section 2.1)."""
    return hashlib.sha256(LEAF_PREFIX + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node over its two children (RFC 6962, section 2.1)."""
    return hashlib.sha256(NODE_PREFIX + left + right).digest()


def subtrees(start: int, end: int) -> list[Node]:
    """Return the complete subtrees that make up the leaves from `start` to before `end`, left to right.

    `start` has to be a multiple of the largest power of two in `end - start`, as it is in every range here.
    """
    found = []
    while start < end:
        level = (end - start).bit_length() - 1
        found.append((level, start >> level))
        start += 1 << level
    return found


def fold(hashes: Sequence[bytes]) -> bytes:
    """Return the root over complete subtrees given left to right, the largest first."""
    if not hashes:
        return EMPTY_ROOT
    result = hashes[-1]
    for left in reversed(hashes[:-1]):
        result = node_hash(left, result)
    return result


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """Return the ranges of leaves whose hashes prove leaf `index` in the first `size`, in RFC 6962's order."""
    if not 0 <= index < size:
        raise ValueError("there is no such leaf in a tree of this size")
    ranges, start, end = [], 0, size
    while end - start > 1:
        split = start + _left_size(end - start)
        if index < split:
            ranges.append((split, end))
            end = split
        else:
            ranges.append((start, split))
            start = split
    return ranges[::-1]


def consistency_ranges(old: int, new: int) -> list[Range]:
    """Return the ranges of leaves whose hashes prove that the first `old` of `new` leaves are unchanged."""
    if not 0 <= old <= new:
        raise ValueError("the old size is not a part of the new one")
    if old == 0:
        return []
    ranges, start, end = [], 0, new
    while old != end:
        split = start + _left_size(end - start)
        if old <= split:
            ranges.append((split, end))
            end = split
        else:
            ranges.append((start, split))
            start = split
    if start:
        ranges.append((start, end))
    return ranges[::-1]


def _left_size(leaves: int) -> int:
    """Return the largest power of two below `leaves`, which is at least 2."""
    return 1 << (leaves - 1).bit_length() - 1


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.add(leaf)
    return frontier.root


def inclusion_proof(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """Return the proof that `leaves[index]` is in the tree over these leaf hashes."""
    return [root(leaves[start:end]) for start, end in inclusion_ranges(index, len(leaves))]


def consistency_proof(old: int, leaves: Sequence[bytes]) -> list[bytes]:
    """Return the proof that the tree over the first `old` of these leaf hashes grew into the whole."""
    return [root(leaves[start:end]) for start, end in consistency_ranges(old, len(leaves))]


def verify_inclusion(*, leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Tell whether `proof` shows the leaf hash at `index` of the tree of `size` leaves with this root."""
    if not 0 <= index < size:
        return False
    position, last, result = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if position & 1 or position == last:
            result = node_hash(sibling, result)
            position, last = _skip_missing(position, last)
        else:
            result = node_hash(result, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and result == root


def verify_consistency(*, old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Tell whether `proof` shows that the tree of `old` leaves is the beginning of the one of `new` leaves."""
    if old == new:
        return not proof and old_root == new_root
    if old == 0:
        return not proof and old_root == EMPTY_ROOT
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not 0 < old < new or not path:
        return False
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old_result = new_result = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            old_result, new_result = node_hash(sibling, old_result), node_hash(sibling, new_result)
            position, last = _skip_missing(position, last)
        else:
            new_result = node_hash(new_result, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and old_result == old_root and new_result == new_root


def _skip_missing(position: int, last: int) -> tuple[int, int]:
    """Go up over the levels at which the last subtree has no right neighbour."""
    while position and not position & 1:
        position, last = position >> 1, last >> 1
    return position, last


def siblings(index: int) -> list[Node]:
    """Return the subtrees that leaf `index` completes a larger one with, from the leaves up."""
    found, level = [], 0
    while index >> level & 1:
        found.append((level, (index >> level) - 1))
        level += 1
    return found


def completed(index: int, leaf: bytes, known: Callable[[Node], bytes]) -> list[tuple[Node, bytes]]:
    """Return the subtrees above the leaves that leaf `index` completes, with their hashes.

    `known` gives the hash of each of `siblings(index)`.
    """
    found, result = [], leaf
    for level, position in siblings(index):
        result = node_hash(known((level, position)), result)
        found.append(((level + 1, position >> 1), result))
    return found


class Frontier:
    """A tree that only grows, kept as the hashes of the complete subtrees at its right edge: O(log n) of them."""

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        """Start with the tree of `size` leaves, whose `subtrees(0, size)` have these hashes."""
        self.size = size
        self.hashes = list(hashes)

    def add(self, leaf: bytes) -> list[tuple[Node, bytes]]:
        """Append a leaf hash and return the subtrees that are complete now, with their hashes."""
        index = self.size
        done = completed(index, leaf, lambda node: self.hashes[-1 - node[0]])
        if done:
            del self.hashes[-len(done) :]
        self.hashes.append(done[-1][1] if done else leaf)
        self.size += 1
        return done

    @property
    def root(self) -> bytes:
        return fold(self.hashes)
