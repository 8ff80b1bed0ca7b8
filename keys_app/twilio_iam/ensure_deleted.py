"""Deleting a key at Twilio, the one step all ways of ending a key share, and when a 404 counts as its end."""

from .client import TwilioIamClient
from .errors import Rejected


class SaysGone(Rejected):
    """Twilio answered a deletion with 404: there is no such key, it says.

    That alone is no proof: the answer may come from something in between, or from a part of Twilio that does not know
    the key yet. It is believed once a whole listing, begun afterwards, lacks the key, and Twilio does not show it.
    """

    def __init__(self, key_sid: str, code: int | None, message: str) -> None:
        super().__init__(404, code, message)
        self.key_sid = key_sid


class IsStillThere(SaysGone):
    """Twilio answered a deletion with 404, and lists or shows the key all the same."""


def delete_key(client: TwilioIamClient, key_sid: str) -> None:
    """Delete a key with one call; if it returns, Twilio has deleted it. Raises `SaysGone` at 404, or `TwilioError`."""
    try:
        client.delete_key(key_sid)
    except Rejected as error:
        if error.status != 404:
            raise
        words = f"Twilio answered that there is no such key: {error.message}"
        raise SaysGone(key_sid, error.code, words) from None


def delete_at_twilio(client: TwilioIamClient, *, account_sid: str, key_sid: str) -> None:
    """Make sure that a key does not exist at Twilio, with a listing of its own after a 404.

    Raises `IsStillThere` if Twilio contradicts itself, and `TwilioError` if nothing is certain.
    """
    try:
        delete_key(client, key_sid)
    except SaysGone as error:
        is_listed = any(key.sid == key_sid for key in client.list_keys(account_sid=account_sid))
        require_gone(client, key_sid, error, is_listed=is_listed)


def require_gone(client: TwilioIamClient, key_sid: str, error: SaysGone, *, is_listed: bool) -> None:
    """Return if a key whose deletion was answered with 404 is gone. `is_listed` is by a whole listing begun afterwards.

    Raises `IsStillThere` if it is listed or shown, and `TwilioError` if Twilio does not answer.
    """
    if not is_listed and not shows_key(client, key_sid):
        return
    how = "lists" if is_listed else "shows"
    words = f"{error.message.rstrip('.')}. But it {how} the key."
    raise IsStillThere(key_sid, error.code, words)


def shows_key(client: TwilioIamClient, key_sid: str) -> bool:
    """Tell whether Twilio shows a key by its SID; false at 404. Raises `TwilioError` for any other answer."""
    try:
        client.fetch_key(key_sid)
    except Rejected as error:
        if error.status != 404:
            raise
        return False
    return True
