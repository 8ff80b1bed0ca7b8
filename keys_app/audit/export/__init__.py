"""The ledger in the formats of other systems, and pushed to them."""
