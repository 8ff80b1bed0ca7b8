"""Reading Twilio's errors: the permission a key lacked, the one Twilio did not accept, and what others mean.

What an error means, its causes and what to do are in `twilio_errors`.
"""

import re
from collections.abc import Iterator

from keys_app.permissions.catalogue import Catalogue, expand
from keys_app.permissions.products import ADD_IT
from keys_app.twilio_errors.recognize import errors_in
from keys_app.twilio_errors.words import for_a_caller

from .model import Suggestion

_NAME = r"/?twilio/[\w.*-]{1,60}/[\w.*-]{1,100}/[\w*-]{1,30}"
_REQUIRED = re.compile(r"required permissions?\b(?P<names>.{0,600}?)\bmissing", re.IGNORECASE | re.DOTALL)
_ASSERTION = re.compile(
    r"assertion\s{1,9}[\"'`\\]{0,3}(?P<name>/?twilio/[\w.*/-]{1,200})[\"'`\\]{0,3}\s{1,9}is\s{1,9}invalid",
    re.IGNORECASE,
)
_NAMED = re.compile(rf"(?<![\w/]){_NAME}(?![\w/])", re.IGNORECASE)
_MOST_COMPARED = 10
_SAID_BY_NAME = ("permission_missing", "no_such_permission")
"""The forms of errors that name a permission, of which what is read here says more."""


def read_errors(text: str, known: Catalogue) -> Iterator[Suggestion | str]:
    """Yield what each Twilio error in `text` asks for or refuses."""
    refused = dict.fromkeys(match["name"] for match in _ASSERTION.finditer(text))
    required = dict.fromkeys(name for match in _REQUIRED.finditer(text) for name in _NAMED.findall(match["names"]))
    nearest = _Nearest(known)
    for name in refused:
        yield f"Twilio does not accept the spelling {name} (error 70002).{nearest.sentence(name)}"
    for permission in map(_spelled, required):
        if permission in known:
            yield Suggestion(permission, "Twilio refused a request for want of it (error 70051)")
        else:
            said = f"Twilio asks for {permission}, which is not in the catalogue.{nearest.sentence(permission)}"
            yield f"{said} It is Twilio’s own spelling: {ADD_IT}."
    for form in errors_in(text):
        if form.name not in _SAID_BY_NAME or not (refused or required):
            yield for_a_caller(form)


def read_names(text: str, known: Catalogue) -> Iterator[Suggestion | str]:
    """Yield the permissions that are named in `text` as they are."""
    nearest = _Nearest(known)
    for permission in map(_spelled, dict.fromkeys(_NAMED.findall(text))):
        if permission in known:
            yield from (Suggestion(one, "It is named in what you pasted") for one in expand(permission))
        else:
            yield f"{permission} is not in the catalogue.{nearest.sentence(permission)}"


def _spelled(name: str) -> str:
    """Return the name with the slash at its beginning that errors leave out."""
    return "/" + name.lower().lstrip("/")


class _Nearest:
    """Finds the nearest permissions for the first few names only: comparing with a whole catalogue takes a while."""

    def __init__(self, known: Catalogue) -> None:
        self._known = known
        self._left = _MOST_COMPARED

    def sentence(self, name: str) -> str:
        if not self._left:
            return ""
        self._left -= 1
        return f" Nearest: {', '.join(one for one in self._known.nearest(name) if one != name)}."
