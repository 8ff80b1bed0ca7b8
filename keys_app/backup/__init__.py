"""Backups: a copy of the database and its checkpoints that verifies, and putting one into an empty place."""
