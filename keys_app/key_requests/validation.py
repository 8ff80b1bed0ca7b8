"""What users may write about a request or a key, and how much of it.

Each function returns what is wrong, or an empty text. What writes holds these rules, whoever calls it; forms ask
the same functions to say it at the field. The database holds the length of names only (and SQLite not even that):
for texts of several lines, `max_length` is words.
"""

from urllib.parse import urlsplit

from keys_app.core.typed import line_problem, prose_problem, utf16_units
from keys_app.permissions.naming import MARKER_LENGTH, MAX_FRIENDLY_NAME, MAX_NAME

MAX_PURPOSE = 2000
MAX_TICKET = 500
MAX_INCIDENT = 40


MAX_TASK = 60


def name_problem(name: str) -> str:
    """Check a key's name as it is asked for, without the marker."""
    if not name.strip():
        return "Give the key a name."
    if problem := line_problem(name, "name"):
        return problem
    if "[kp:" in name.lower():
        return "“[kp:” is reserved for the portal's marker."
    if (length := utf16_units(name)) > MAX_NAME:
        counted = "characters" if length == len(name) else "characters as Twilio counts them, an emoji as two"
        return (
            f"The name has {length} {counted}; at most {MAX_NAME} fit, because the portal adds a marker of "
            f"{MARKER_LENGTH} and Twilio allows {MAX_FRIENDLY_NAME}."
        )
    return ""


def purpose_problem(purpose: str) -> str:
    """Check what a key is for."""
    if not purpose.strip():
        return "Say what the key is for. The approver decides by it."
    return prose_problem(purpose, MAX_PURPOSE, "purpose")


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
    return line_problem(number, "number")


def task_problem(slug: str) -> str:
    """Check the name of the task a request started from; none is fine."""
    if len(slug) > MAX_TASK or line_problem(slug, "task"):
        return "This task does not exist. Start again from “Request a key”."
    return ""
