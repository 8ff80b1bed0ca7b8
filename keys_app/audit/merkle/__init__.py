"""The tree of hashes over the ledger, its signed checkpoints and its proofs."""
