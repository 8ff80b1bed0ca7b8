"""What Twilio's answers are turned into, and the checks on what goes in."""

import re
from dataclasses import dataclass
from datetime import datetime

from keys_app.core.secret import Secret
from keys_app.permissions.naming import MAX_FRIENDLY_NAME
from keys_app.permissions.policy import MAX_PERMISSIONS, Policy
from keys_app.permissions.seen_policy import SeenPolicy, tell_standard

ACCOUNT_SID = re.compile(r"AC[0-9a-fA-F]{32}")
KEY_SID = re.compile(r"SK[0-9a-fA-F]{32}")
"""Both shapes are from Twilio's documentation of the Key resource, v1."""


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """A new key. The only object that ever holds its secret.

    `policy` is what Twilio says the key may do, expanded, or that it is a Standard key, or that it cannot be read.
    Whether it is the approved policy is for the caller to check.
    """

    sid: str
    friendly_name: str | None
    secret: Secret
    policy: SeenPolicy


@dataclass(frozen=True, slots=True)
class KeySummary:
    """A key as a listing shows it. Dates are aware, or None where Twilio gave none that could be read."""

    sid: str
    friendly_name: str | None
    date_created: datetime | None
    date_updated: datetime | None
    flags: tuple[str, ...]

    @property
    def is_standard(self) -> bool:
        """Whether the listing says that it is a Standard key: then there is no policy to fetch."""
        return tell_standard(self.flags)


@dataclass(frozen=True, slots=True)
class KeyDetail(KeySummary):
    """A key with its policy, expanded, or what stands in its place."""

    policy: SeenPolicy


def check_account_sid(sid: str) -> None:
    """Raise `ValueError` unless `sid` is an account's SID."""
    if not ACCOUNT_SID.fullmatch(sid):
        raise ValueError("not the SID of a Twilio account")


def check_key_sid(sid: str) -> None:
    """Raise `ValueError` unless `sid` is a key's SID; it becomes part of a URL."""
    if not KEY_SID.fullmatch(sid):
        raise ValueError("not the SID of a Twilio API key")


def check_name(name: str) -> None:
    """Raise `ValueError` for an empty name, or one over Twilio's limit of 64 characters."""
    if not 0 < len(name) <= MAX_FRIENDLY_NAME:
        raise ValueError(f"the name of a key has 1 to {MAX_FRIENDLY_NAME} characters")


def explicit(policy: Policy) -> Policy:
    """Return `policy` without wildcards, which no published request is known to send.

    Raises `ValueError` for a policy of no permission, or of more than Twilio's 100.
    """
    expanded = Policy.of(policy.allow)
    if not 0 < len(expanded) <= MAX_PERMISSIONS:
        raise ValueError(f"a policy has 1 to {MAX_PERMISSIONS} permissions")
    return expanded
