"""Bringing the portal and Twilio together again: what was lost, what changed, what the portal never made."""
