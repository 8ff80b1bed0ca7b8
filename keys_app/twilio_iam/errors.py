"""The three ways a call to Twilio can fail, by what the caller may do next.

No error holds the request, the answer, a credential or another exception: what is here can be shown and
logged.
"""

import unicodedata

from keys_app.core.secret import mask_live_secrets
from keys_app.twilio_errors.lookup import as_kept, form_of, said
from keys_app.twilio_errors.model import ErrorForm

MAX_MESSAGE = 300
"""Longest part of a message from Twilio that is kept, in characters."""


class TwilioError(Exception):
    """Base of the three. `message` is one line of at most 300 characters that is safe to show."""

    def __init__(self, message: str) -> None:
        self.message = clean(message)
        super().__init__(self.message)

    @property
    def said(self) -> str:
        """Twilio's words with its code, as people are shown them, without the last full stop."""
        return said(None, self.message)

    @property
    def kept(self) -> str:
        return self.message


class Rejected(TwilioError):
    """Twilio said no and did nothing.

    `status` is the HTTP status (400 to 499, never 408, 425 or 429), `code` Twilio's own error code, or None
    where the answer had none that could be read.
    """

    def __init__(self, status: int, code: int | None, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    @property
    def form(self) -> ErrorForm:
        """What the table of Twilio's errors has of it."""
        return form_of(self.code, self.message, self.status)

    @property
    def said(self) -> str:
        return said(self.code, self.kept)

    @property
    def kept(self) -> str:
        """Twilio's words as they are kept beside the code, with the status where the code is not known."""
        return as_kept(self.code, self.message, self.status)


class OwnCredential(Rejected):
    """The portal was about to delete the key that it itself works with. Twilio was not asked."""

    def __init__(self) -> None:
        super().__init__(409, None, "This is the key the portal itself works with. It is not deleted.")

    @property
    def kept(self) -> str:
        return self.message


class NotProcessed(TwilioError):
    """The request was provably not processed, so sending it again is safe.

    Either Twilio answered 429, where "the request is never processed" (Twilio's documentation), or the
    connection was never completed, so that no byte of the request was sent. `retry_after` is how long Twilio
    asks to wait, in seconds, or None; `code` is Twilio's error code, or None.
    """

    def __init__(self, message: str, retry_after: float | None = None, code: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.code = code

    @property
    def said(self) -> str:
        return said(self.code, self.message)


class OutcomeUnknown(TwilioError):
    """The request may or may not have been processed, or its answer could not be understood.

    `status` is the HTTP status where there was an answer, `retry_after` how long Twilio asks to wait, in seconds.
    """

    def __init__(self, message: str, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


def clean(message: str) -> str:
    """Return `message` as one line without control characters and live secrets, cut to length."""
    visible = "".join(
        " " if unicodedata.category(character).startswith(("C", "Zl", "Zp")) else character
        for character in message[: MAX_MESSAGE * 10]
    )
    line = " ".join(mask_live_secrets(visible).split())
    return line if len(line) <= MAX_MESSAGE else line[: MAX_MESSAGE - 1] + "…"
