"""What an approval is bound to."""

import hashlib

import rfc8785

from keys_app.permissions.policy import Policy


def content_digest(*, account_sid: str, friendly_name: str, lifetime_days: int, policy: Policy) -> str:
    """Return the SHA-256, in hex, of everything about a key that an approver agrees to."""
    content: dict[str, str | int | list[str]] = {
        "account": account_sid,
        "allow": list(policy.allow),
        "lifetime_days": lifetime_days,
        "name": friendly_name,
    }
    return hashlib.sha256(rfc8785.dumps(content)).hexdigest()
