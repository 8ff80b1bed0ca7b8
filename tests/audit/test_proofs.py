"""Proofs from the database are those of the plain functions, and cost O(log n)."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from keys_app.audit.ledger import matching
from keys_app.audit.merkle import proofs, tree
from keys_app.audit.merkle.tree_store import LedgerDamaged

from .tampering import fill, small_blocks, sql

SIZE = 21


@pytest.fixture
def leaves(db):
    fill(SIZE)
    return [bytes(leaf) for leaf in matching().order_by("sequence").values_list("leaf_hash", flat=True)]


def test_roots_of_every_size_are_those_of_the_leaves(leaves):
    assert proofs.size() == SIZE
    for size in range(SIZE + 1):
        assert proofs.root_at(size) == tree.root(leaves[:size])


def test_inclusion_proofs_of_every_event_verify(leaves):
    for size in (1, 2, 7, 8, SIZE):
        root = tree.root(leaves[:size])
        together = proofs.inclusion_proofs(range(size), size)
        for index in range(size):
            proof = proofs.inclusion_proof(index, size)
            assert proof == together[index] == tree.inclusion_proof(index, leaves[:size])
            assert tree.verify_inclusion(leaf=leaves[index], index=index, size=size, proof=proof, root=root)


def test_proofs_of_a_block_are_those_of_each_event(leaves, monkeypatch):
    small_blocks(monkeypatch)
    for size in range(1, SIZE + 1):
        for first in range(0, size, proofs.BLOCK):
            indexes = list(range(first, min(first + proofs.BLOCK, size)))
            for some in (indexes, indexes[::2], indexes[-1:]):
                assert proofs.block_proofs(some, size) == [tree.inclusion_proof(one, leaves[:size]) for one in some]


def test_a_block_takes_as_many_queries_for_all_its_events_as_for_one(leaves, monkeypatch):
    small_blocks(monkeypatch)
    taken = []
    for indexes in ([8], list(range(8, 16))):
        with CaptureQueriesContext(connection) as captured:
            proofs.block_proofs(indexes, SIZE)
        taken.append(len(captured))
    assert taken[0] == taken[1] <= 4


@pytest.mark.parametrize("lost", ["level = 1 AND position = 5", "level = 2 AND position = 2"])
def test_a_block_that_lacks_a_node_proves_nothing(leaves, monkeypatch, lost):
    small_blocks(monkeypatch)
    sql(f"DELETE FROM audit_node WHERE {lost}")
    with pytest.raises(LedgerDamaged, match="run audit_verify"):
        proofs.block_proofs(list(range(8, 16)), SIZE)


def test_consistency_proofs_between_all_sizes_verify(leaves):
    for new in range(1, SIZE + 1):
        for old in range(new + 1):
            proof = proofs.consistency_proof(old, new)
            roots = {"old_root": tree.root(leaves[:old]), "new_root": tree.root(leaves[:new])}
            assert tree.verify_consistency(old=old, new=new, proof=proof, **roots)


def test_there_is_no_proof_beyond_the_ledger(leaves):
    for call in (lambda: proofs.root_at(SIZE + 1), lambda: proofs.inclusion_proof(0, SIZE + 1)):
        with pytest.raises(LedgerDamaged):
            call()
    with pytest.raises(ValueError, match="no such leaf"):
        proofs.inclusion_proof(SIZE, SIZE)


def test_an_append_and_a_proof_run_few_queries_whatever_the_size(leaves):
    for count in range(1, 12):
        with CaptureQueriesContext(connection) as captured:
            fill(1)
        work = [query for query in captured if "SAVEPOINT" not in query["sql"]]
        assert len(work) <= 5 + (connection.vendor == "postgresql")  # its lock is a query of its own
        with CaptureQueriesContext(connection) as captured:
            proofs.inclusion_proof(count, SIZE + count)
        assert len(captured) <= 2


def test_nothing_is_appended_to_a_tree_with_a_hole(db):
    fill(7)
    sql("DELETE FROM audit_node WHERE level = 2 AND position = 0")
    with pytest.raises(LedgerDamaged, match="node 0 at level 2"):
        fill(1)
    assert matching().count() == 7
