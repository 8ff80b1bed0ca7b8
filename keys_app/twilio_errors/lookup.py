"""Finds the row of the table for what Twilio answered the portal, and puts Twilio's answer into words."""

import re

from .model import ErrorForm
from .table import CODES, TABLE, UNKNOWN

_STATUS = re.compile(r"\bHTTP (?P<status>[45]\d\d)\b\)?\Z")


def form_of(code: int | None, message: str, status: int | None = None) -> ErrorForm:
    """Return the row for a code and the message with it, which is one of `UNKNOWN` where the table has none.

    Without a `status` it is taken from the end of the message, where `as_kept` has put it.
    """
    forms = [form for form in TABLE if form.code == code]
    if forms:
        fitting = (form for form in forms if form.text and form.text.search(_as_it_stands(message)))
        return next(fitting, forms[-1])
    if status is None and (kept := _STATUS.search(message)):
        status = int(kept["status"])
    return next(form for form in UNKNOWN if not form.statuses or status in form.statuses)


def _as_it_stands(message: str) -> str:
    """Return a message as the patterns of texts want it, which look for “Authenticate” after what errors begin with."""
    return f"error: {message}"


def as_kept(code: int | None, message: str, status: int) -> str:
    """Return Twilio's message as it is kept beside its code: with the status where the code says nothing."""
    if code in CODES or _STATUS.search(message):
        return message
    return f"{message.rstrip('.')} (HTTP {status})"


def said(code: int | None, message: str) -> str:
    """Return Twilio's message with its code, without the last full stop."""
    return message.rstrip(".") + (f" ({code})" if code is not None else "")
