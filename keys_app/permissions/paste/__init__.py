"""Reading what people have at hand — an error, a curl command, a URL, a piece of code — as permissions.

Nothing is guessed: what cannot be mapped is said to be so. Credentials are taken out first and are kept nowhere.
"""

import re

from keys_app.permissions.catalogue import Catalogue, catalogue
from keys_app.twilio_errors.recognize import ERROR_PAGE

from .access_tokens import read_access_tokens
from .credentials import drop_credentials
from .error_texts import read_errors, read_names
from .model import Findings, Reading, Suggestion
from .requests import Requests, map_alone, map_calls
from .sdk import read_sdk

__all__ = ["MAX_PASTE", "Reading", "Suggestion", "read_paste"]

MAX_PASTE = 20_000
"""The most characters that are read."""

_WARNING = (
    "Credentials were in what you pasted. They were dropped and not stored; "
    "consider them exposed if you pasted them elsewhere."
)
_NOTHING = (
    "Nothing in it was recognized. Paste an error from Twilio, a curl command, a method with a URL, "
    "or code that calls Twilio's SDK."
)
_OFFERED = "Others are possible; tick what you need."

# Colours of a terminal, also where the sign before them was lost on the way.
_COLOURS = re.compile(r"(?:\x1b|\\033|\\x1b|\\u001b|\\e|\^\[)?\[\d{0,3}(?:;\d{1,3}){0,4}m")
_MARK = re.compile(r"^[ \t]{0,80}(?://+|#+|--|\*(?!/)|/\*+|<!--|;+)[ \t]?|[ \t]?(?:\*/|-->)[ \t]*$", re.MULTILINE)


def read_paste(text: str, known: Catalogue | None = None) -> Reading:
    """Return the permissions that pasted text asks for.

    `text` may be one of Twilio's errors, curl commands, lines of method and URL, Python or Node code for the
    official SDK, or permissions by name. `known` is the catalogue (the shipped one if left out); only what it
    holds is suggested. Raises nothing for any text; one of more than `MAX_PASTE` characters is not read.
    """
    known = catalogue() if known is None else known
    if len(text) > MAX_PASTE:
        return Reading("nothing", (), (), False, f"This is too long. At most {MAX_PASTE:,} characters are read.")
    tokens = tuple(read_access_tokens(text))  # beside what else is in it; their line may be dropped as a credential
    text, dropped = drop_credentials(_COLOURS.sub("", text))
    kind, findings = _read(text, known)
    if findings or tokens:
        return _reading(kind if findings else "sdk", findings.add(tokens), dropped)
    return Reading("nothing", (), (), dropped, f"{_WARNING} {_NOTHING}" if dropped else _NOTHING)


def _read(text: str, known: Catalogue) -> tuple[str, Findings]:
    """Return what was found, and what the text was taken for: the most exact first."""
    errors = Findings().add(read_errors(text, known))
    if errors.suggestions:
        return "error", errors
    asked = ERROR_PAGE.sub("", text) if errors else text
    found = {"error": errors, **_requests(asked, known, quiet=bool(errors))}
    if not any(found.values()) and _MARK.search(text):
        uncommented = _requests(_MARK.sub("", text), known, quiet=False)
        found = {kind: findings.doubted() for kind, findings in uncommented.items() if kind != "sdk"}
    together = Findings()
    for findings in found.values():
        together.merge(findings)
    if not together:
        return "permissions", together.add(read_names(text, known))
    certain = (kind for kind, findings in found.items() if findings.suggestions and not errors)
    return next(certain, None) or next(kind for kind, findings in found.items() if findings), together


def _requests(text: str, known: Catalogue, *, quiet: bool) -> dict[str, Findings]:
    """Return what commands, calls of the SDKs, and requests of other clients in a text lead to.

    `quiet` leaves out addresses that lead to no permission.
    """
    requests = Requests(text)
    commands, others = list(requests.commands()), list(requests.others())
    found = {
        "curl": Findings().add(map_calls(commands, known)),
        "sdk": Findings().add(read_sdk(text, known)),
        "url": Findings().add(map_calls(others, known)),
    }
    quiet = quiet or any(findings.suggestions for findings in found.values())
    found["url"].add(map_alone(requests.alone(), known, [*commands, *others], quiet=quiet))
    return found


def _reading(kind: str, findings: Findings, dropped: bool) -> Reading:
    count, offered = len(findings.suggestions), findings.offered
    message = {0: "No permission was found.", 1: "1 permission was found."}.get(
        count, f"{count} permissions were found."
    )
    if offered:
        message = f"{message if count else 'No permission is certain.'} {_OFFERED}"
    return Reading(
        kind,
        tuple(findings.suggestions.values()),
        findings.sentences(),
        dropped,
        f"{_WARNING} {message}" if dropped else message,
        offered,
    )
