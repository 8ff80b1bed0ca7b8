"""Bringing the portal and Twilio together again: what was lost, what changed, what the portal never made.

Here too are what other commands do beside the portal: one run of `send_notices`, and the ledger's check and signing.
"""
