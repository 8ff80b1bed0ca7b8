"""A ledger from before the tree gets its nodes, and what is appended afterwards fits."""

from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from keys_app.audit.ledger import matching
from keys_app.audit.merkle import proofs, tree

from .tampering import fill

BEFORE, AFTER = [("audit", "0002_append_only")], [("audit", "0003_tree")]


def migrate(target):
    executor = MigrationExecutor(connection)
    executor.migrate(target)


def test_an_existing_ledger_is_brought_along(transactional_db):
    newest = [leaf for leaf in MigrationExecutor(connection).loader.graph.leaf_nodes() if leaf[0] == "audit"]
    fill(13)
    try:
        migrate(BEFORE)
        assert "audit_node" not in connection.introspection.table_names()
    finally:
        migrate(AFTER)
        migrate(newest)
    fill(8)
    leaves = [bytes(leaf) for leaf in matching().order_by("sequence").values_list("leaf_hash", flat=True)]
    assert [proofs.root_at(size) for size in range(22)] == [tree.root(leaves[:size]) for size in range(22)]
