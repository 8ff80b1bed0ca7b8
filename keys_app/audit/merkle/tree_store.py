"""Reads the stored tree, many hashes at a time."""

from collections import defaultdict
from collections.abc import Iterable
from itertools import chain

from django.db import connection
from django.db.models import Q

from keys_app.audit.models import AuditEvent, AuditNode

from .tree import Node


class LedgerDamaged(RuntimeError):
    """The stored tree does not hold what it must. Nothing is built on it; `audit_verify` finds out more."""


def load(nodes: Iterable[Node]) -> dict[Node, bytes]:
    """Return the stored hashes of these subtrees, in two queries. Raises `LedgerDamaged` if one is missing."""
    wanted = set(nodes)
    by_level: dict[int, list[int]] = defaultdict(list)
    for level, position in wanted:
        by_level[level].append(position)
    found = _leaves(by_level.pop(0, [])) | _above(by_level)
    if missing := wanted - found.keys():
        level, position = min(missing)
        raise LedgerDamaged(f"the audit ledger's tree has no node {position} at level {level}; run audit_verify")
    return found


_LEAVES = "SELECT leaf_hash FROM audit_auditevent WHERE sequence BETWEEN %s AND %s ORDER BY sequence"


def _nodes(ranges: int) -> str:
    among = " OR ".join(["(level = %s AND position BETWEEN %s AND %s)"] * ranges)
    return f"SELECT level, hash FROM audit_node WHERE {among} ORDER BY level, position"  # noqa: S608 placeholders


def block(level: int, position: int) -> list[list[bytes]]:
    """Return the stored hashes under a complete subtree, by their level from the leaves on, each from left to right.

    Two queries, of ranges. Raises `LedgerDamaged` if one is missing.
    """
    first, many = position << level, 1 << level
    ranges = [(one, first >> one, ((first + many) >> one) - 1) for one in range(1, level)]
    found: list[list[bytes]] = [[] for _ in range(level)]
    with connection.cursor() as cursor:
        cursor.execute(_LEAVES, (first + 1, first + many))
        found[0] = [bytes(leaf) for (leaf,) in cursor.fetchall()]
        cursor.execute(_nodes(len(ranges)), list(chain.from_iterable(ranges)))
        for one, value in cursor.fetchall():
            found[one].append(bytes(value))
    for one, hashes in enumerate(found):
        if len(hashes) != many >> one:
            raise LedgerDamaged(f"the audit ledger's tree lacks nodes at level {one}; run audit_verify")
    return found


def _leaves(indexes: list[int]) -> dict[Node, bytes]:
    if not indexes:
        return {}
    rows = AuditEvent.objects.filter(sequence__in=[index + 1 for index in indexes]).order_by()
    return {(0, sequence - 1): bytes(leaf) for sequence, leaf in rows.values_list("sequence", "leaf_hash")}


def _above(by_level: dict[int, list[int]]) -> dict[Node, bytes]:
    if not by_level:
        return {}
    wanted = Q()
    for level, positions in by_level.items():
        wanted |= (
            Q(level=level, position=positions[0]) if len(positions) == 1 else Q(level=level, position__in=positions)
        )
    rows = AuditNode.objects.filter(wanted).values_list("level", "position", "hash")
    return {(level, position): bytes(value) for level, position, value in rows}
