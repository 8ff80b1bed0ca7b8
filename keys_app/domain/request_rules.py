"""What users may write about a request or a key, and how much of it.

Each function returns what is wrong, or an empty text. The services hold these rules, whoever calls them; forms ask
the same functions to say it at the field. The database holds the length of names only (and SQLite not even that):
for texts of several lines, `max_length` is words.
"""

import unicodedata
from urllib.parse import urlsplit

from .naming import MARKER_LENGTH, MAX_FRIENDLY_NAME, MAX_NAME

MAX_PURPOSE = 2000
MAX_TICKET = 500
MAX_INCIDENT = 40
MAX_COMMENT = 2000
MAX_REASON = 2000
MAX_TASK = 60
# Control characters, and format characters that change in which order a reader sees the others.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")


def name_problem(name: str) -> str:
    """Check a key's name as it is asked for, without the marker."""
    if not name.strip():
        return "Give the key a name."
    if any(unicodedata.category(character) in _HIDDEN for character in name):
        return "Use one line of visible characters."
    if "[kp:" in name.lower():
        return "“[kp:” is reserved for the portal's marker."
    if len(name) > MAX_NAME:
        return (
            f"The name has {len(name)} characters; at most {MAX_NAME} fit, because the portal adds a marker of "
            f"{MARKER_LENGTH} and Twilio allows {MAX_FRIENDLY_NAME}."
        )
    return ""


def purpose_problem(purpose: str) -> str:
    """Check what a key is for."""
    if not purpose.strip():
        return "Say what the key is for. The approver decides by it."
    return _lines_problem(purpose, MAX_PURPOSE, "purpose")


def ticket_problem(url: str) -> str:
    """Check a ticket's address; none is fine."""
    if not url:
        return ""
    if len(url) > MAX_TICKET:
        return f"The address has {len(url)} characters; at most {MAX_TICKET} are kept."
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        fits = False
    if not fits or not url.isprintable() or " " in url:
        return "Enter a whole address, such as https://tickets.example.com/123."
    return ""


def incident_problem(number: str) -> str:
    """Check the number of an incident, as the incident tracker writes it."""
    if not number.strip():
        return "Give the number of the incident."
    if len(number) > MAX_INCIDENT:
        return f"The number has {len(number)} characters; at most {MAX_INCIDENT} are kept."
    if any(unicodedata.category(character) in _HIDDEN for character in number):
        return "Use one line of visible characters."
    return ""


def comment_problem(text: str) -> str:
    """Check a question about a request, or an answer to one."""
    if not text.strip():
        return "Write something first."
    return _lines_problem(text, MAX_COMMENT, "text")


def reason_problem(reason: str) -> str:
    """Check the reason for what cannot be taken back."""
    return optional_reason_problem(reason) if reason.strip() else "Give a reason."


def optional_reason_problem(reason: str, what: str = "reason") -> str:
    """Check a reason, or a note, that need not be given."""
    return _lines_problem(reason, MAX_REASON, what)


def task_problem(slug: str) -> str:
    """Check the name of the task a request started from; none is fine."""
    if len(slug) > MAX_TASK or not slug.isprintable():
        return "This task does not exist. Start again from “Request a key”."
    return ""


def _lines_problem(text: str, most: int, what: str) -> str:
    """Check a text of several lines, which may be empty."""
    if len(text) > most:
        return f"The {what} has {len(text)} characters; at most {most} are kept."
    if "\0" in text or _REORDERING & set(text):
        return f"The {what} has characters that cannot be seen. Type it again."
    return ""
