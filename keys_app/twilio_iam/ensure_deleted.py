"""Deleting a key at Twilio, the one step all ways of ending a key share."""

from .client import TwilioIamClient
from .errors import OutcomeUnknown, Rejected

NO_SUCH_KEY = 20404
"""Twilio's code for a key that does not exist (inferred from its other APIs)."""


def delete_at_twilio(client: TwilioIamClient, *, account_sid: str, key_sid: str) -> None:
    """Make sure a key does not exist at Twilio. Raises `TwilioError` if that is not certain.

    A 404 without Twilio's own code may come from something in between, so it counts only if a whole
    listing does not have the key either.
    """
    try:
        client.delete_key(key_sid)
    except Rejected as error:
        if error.status != 404:
            raise
        listed = error.code != NO_SUCH_KEY and any(
            key.sid == key_sid for key in client.list_keys(account_sid=account_sid)
        )
        if listed:
            raise OutcomeUnknown("Twilio answered that there is no such key, but lists it.") from None
