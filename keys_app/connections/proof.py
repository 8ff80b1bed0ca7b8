"""Whether a credential may do what the portal does with keys: asked of Twilio, in an order that leaves nothing behind.

`look` lists, reads one listed key, and deletes a key that does not exist. Only a credential that may do all three makes
a throwaway key, in `connect`.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from keys_app.permissions.policy import Policy
from keys_app.twilio_errors.table import GREATER_PERMISSIONS, NO_PERMISSION
from keys_app.twilio_iam.client import TwilioIamClient
from keys_app.twilio_iam.errors import Rejected
from keys_app.twilio_iam.types import KeyDetail, KeySummary

API_KEYS = "/twilio/iam/api-keys/"
USED = ("create", "read", "list", "delete")
"""The actions of `API_KEYS` that the portal needs. It never updates a key."""
READS = 3
"""How many listed keys are tried: one may be deleted meanwhile."""


@dataclass
class CredentialFindings:
    """What Twilio showed and refused before anything was made.

    `own` is the key of the credential itself, where Twilio shows it. `refused` has Twilio's words by action, `allowed`
    the actions it did not refuse; `doing` is what was tried last.
    """

    listed: dict[str, KeySummary] = field(default_factory=dict)
    own: KeyDetail | None = None
    refused: dict[str, Rejected] = field(default_factory=dict)
    allowed: set[str] = field(default_factory=set)
    doing: str = "list"

    @contextmanager
    def trying(self, action: str) -> Iterator[None]:
        """Note whether an action is refused for want of a permission. Raises every other `TwilioError`."""
        self.doing = action
        try:
            yield
        except Rejected as error:
            if not lacks_permission(error):
                raise
            self.refused[action] = error
        else:
            self.allowed.add(action)

    @property
    def missing(self) -> list[str]:
        """The permissions that the credential lacks, as far as known: what was refused, and what its policy lacks."""
        lacking = set(self.refused)
        if self.own is not None and isinstance(self.own.policy, Policy):
            lacking |= {action for action in USED if API_KEYS + action not in self.own.policy} - self.allowed
        return [API_KEYS + action for action in USED if action in lacking]


def lacks_permission(error: Rejected) -> bool:
    """Tell whether Twilio refused for want of a permission, or of a credential it knows. It says 401 to both."""
    return error.code != GREATER_PERMISSIONS and (error.status in (401, 403) or error.code == NO_PERMISSION)


def look(
    client: TwilioIamClient, found: CredentialFindings, *, account_sid: str, username: str, listing_only: bool
) -> None:
    """Find out what the credential may do without making anything. Raises `TwilioError`.

    A credential that may not list is asked for the rest all the same, so that all it lacks is named together.
    """
    with found.trying("list"):
        found.listed = {key.sid: key for key in client.list_keys(account_sid=account_sid)}
    if not listing_only:
        _read_one(client, found, username)
        with found.trying("delete"):
            _delete_nothing(client)


def _read_one(client: TwilioIamClient, found: CredentialFindings, username: str) -> None:
    """Read the credential's own key if it is listed or nothing may be, otherwise another; none if there is none."""
    own_first = username in found.listed or ("list" in found.refused and username.startswith("SK"))
    sids = [*([username] if own_first else []), *(sid for sid in found.listed if sid != username)]
    for sid in sids[:READS]:
        with found.trying("read"):
            detail = fetch_if_there(client, sid)
            if detail is None:
                continue
            if sid == username:
                found.own = detail
        return


def fetch_if_there(client: TwilioIamClient, sid: str) -> KeyDetail | None:
    """Return a key, None if Twilio has none such. Raises `TwilioError`."""
    try:
        return client.fetch_key(sid)
    except Rejected as error:
        if error.status != 404:
            raise
        return None


def _delete_nothing(client: TwilioIamClient) -> None:
    """Delete a key that does not exist: a 404 says that the credential may delete."""
    try:
        client.delete_key("SK" + secrets.token_hex(16))
    except Rejected as error:
        if error.status != 404:
            raise
