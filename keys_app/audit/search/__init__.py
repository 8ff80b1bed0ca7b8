"""Finding events: the query language, the index and the engine."""
