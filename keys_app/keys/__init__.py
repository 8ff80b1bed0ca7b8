"""A key from issue to revocation."""
