"""Notices by mail and webhook, from an outbox.

What a notice says is written by the step it tells of: for requests in `key_requests/notices.py`, for keys where they
change. How often delivery is tried is in `outbox.py`.
"""
