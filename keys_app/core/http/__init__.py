"""Outgoing HTTP: one exchange on one guarded connection, with a deadline for all of it. Plain Python."""
