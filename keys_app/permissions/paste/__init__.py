"""Reading what people have at hand — an error, a curl command, a URL, a piece of code — as permissions.

Nothing is guessed: what cannot be mapped is said to be so. Credentials are taken out first and are kept nowhere.
"""

from collections.abc import Callable, Iterator

from keys_app.permissions.catalogue import Catalogue, catalogue

from .access_tokens import read_access_tokens
from .addresses import read_urls
from .credentials import drop_credentials
from .error_texts import read_errors, read_names
from .model import Findings, Reading, Suggestion
from .sdk import read_sdk
from .shell import read_curl

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

# The most exact first. An error also holds URLs, and code holds URLs that are not called.
_READERS: tuple[tuple[str, Callable[[str, Catalogue], Iterator[Suggestion | str]]], ...] = (
    ("error", read_errors),
    ("curl", read_curl),
    ("sdk", read_sdk),
    ("url", read_urls),
    ("permissions", read_names),
)


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
    text, dropped = drop_credentials(text)
    for kind, reader in _READERS:
        findings = Findings().add(reader(text, known))
        if findings:
            if kind == "error" and not findings.suggestions:
                findings.add(_requests_beside(text, known))
            return _reading(kind, findings.add(tokens), dropped)
    if tokens:
        return _reading("sdk", Findings().add(tokens), dropped)
    return Reading("nothing", (), (), dropped, f"{_WARNING} {_NOTHING}" if dropped else _NOTHING)


def _requests_beside(text: str, known: Catalogue) -> Iterator[Suggestion]:
    """Yield what the requests and calls need that stand beside an error which names no permission itself."""
    for _, reader in _READERS[1:-1]:
        needed = [result for result in reader(text, known) if isinstance(result, Suggestion)]
        if needed:
            yield from needed
            return


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
