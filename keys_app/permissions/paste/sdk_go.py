"""Reading calls of Go's SDK, which name a service and an operation: `client.VerifyV2.CreateVerification(…)`."""

import re
from collections.abc import Iterator

from keys_app.permissions.catalogue import Catalogue

from .endpoints import hosts, outcome, unknown_call
from .model import Suggestion
from .sdk_names import CREATE, DELETE, FETCH, LIST, UPDATE, of_go
from .sdk_source import SourceCode

_VERBS = {
    "Create": CREATE,
    "List": LIST,
    "Page": LIST,
    "Stream": LIST,
    "Fetch": FETCH,
    "Update": UPDATE,
    "Delete": DELETE,
}
_CALL = re.compile(
    r"(?<=\w)(?:\(\))?\s{0,9}\.\s{0,99}(?:Api|(?P<host>[A-Z][A-Za-z]{1,30}?)(?P<version>V\d{1,2}))\s{0,9}\.\s{0,99}"
    r"(?P<verb>Create|List|Page|Stream|Fetch|Update|Delete)(?P<name>[A-Z]\w{0,80}?)(?:WithMetadata)?\s{0,9}(?=\()"
)
_IMPORTED = re.compile(r"\"[\w-]{1,40}(?:\.[\w-]{1,40}){1,4}/[^\"\s]{1,150}\"")  # "github.com/twilio/twilio-go"


def read_go(source: SourceCode, known: Catalogue) -> Iterator[Suggestion | str]:
    """Yield what each call of Go's SDK leads to. Code that imports other modules, and not Twilio's, has none."""
    modules = _IMPORTED.findall(source.text)
    is_anothers = bool(modules) and not any("twilio" in one for one in modules)
    for match in _CALL.finditer(source.code) if not is_anothers else ():
        host, version = (match["host"] or "api").lower(), (match["version"] or "v2010").lower()
        shown = f"{match['host'] or 'Api'}{match['version'] or ''}.{match['verb']}{match['name'][:30]}"
        operation = _VERBS[match["verb"]]
        endpoint = of_go(host, version, match["name"], operation)
        if endpoint:
            yield outcome(operation.method, endpoint, known)
        elif host in hosts() and host != "api":
            yield unknown_call(shown, host, version, (), known)
