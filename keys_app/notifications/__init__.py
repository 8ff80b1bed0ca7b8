"""Notices by mail and webhook, from an outbox."""
