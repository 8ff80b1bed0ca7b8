"""A request for a key: sending it, deciding it, and how it ends without a key."""
