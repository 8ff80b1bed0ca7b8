"""The page a key is asked for on, with its policy builder."""
