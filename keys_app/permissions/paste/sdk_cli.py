"""Reading commands of the Twilio CLI: `twilio api:core:messages:create`, also with spaces, and its short ones."""

import re
from collections.abc import Iterator
from functools import cache

from keys_app.permissions.catalogue import Catalogue

from .endpoints import Endpoint, all_endpoints, find_path, hosts, outcome, segments, unknown_call
from .model import Suggestion
from .sdk_names import CREATE, DELETE, FETCH, LIST, UPDATE, Operation, fits

_LONGEST_WORD = 30
_REACH = 80
_PATHS_TO_BUY = {"local": "Local", "mobile": "Mobile", "toll-free": "TollFree"}
_VERBS = {"create": CREATE, "list": LIST, "fetch": FETCH, "update": UPDATE, "remove": DELETE}
_COMMAND = re.compile(
    r"(?:^|(?<=[\s;|&(`\"'$]))twilio(?:\.cmd|\.exe)?[ \t]{1,9}"
    r"(?P<words>[a-z][a-z0-9-]{0,60}(?:[ \t:]{1,3}[a-z0-9][a-z0-9-]{0,60}){0,16})",
    re.MULTILINE,
)
_COMMENT = re.compile(r"(?:(?<![^\s])#|^[ \t]{0,40}(?://|REM\b|::))[^\n]*", re.MULTILINE)
_PRINTED = re.compile(r"\b(?:print\w{0,3}|echo|puts|log|info|warn|error)\b[^\n;|&]*\Z", re.IGNORECASE)
_NUMBERS = "/2010-04-01/Accounts/{}/IncomingPhoneNumbers"
_LOGIN = frozenset({"login", "profiles:create", "profiles:add"})
_LOGS_IN = (
    "The Twilio CLI's login makes an API key of its own. That takes an account's auth token, not a restricted key."
)
_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_ARGUMENT = re.compile(r"[ \t]{1,9}[\"']?(?P<argument>PN|\+)?")


def read_cli(text: str, known: Catalogue) -> Iterator[Suggestion | str]:
    """Yield what each command of the Twilio CLI in `text` leads to."""
    text = _COMMENT.sub("", text)
    for match in _COMMAND.finditer(text):
        if _PRINTED.search(text, max(0, match.start() - _REACH), match.start()):
            continue
        words = tuple(re.split(r"[ \t:]+", match["words"]))
        if words[0] == "api":
            yield from _operation(words[1:], known)
        elif words[0] in _LOGIN or ":".join(words[:2]) in _LOGIN:
            yield _LOGS_IN
        else:
            for method, host, path, certain in _short(words, text[match.end() : match.end() + _REACH]):
                yield from _sent(method, host, path, certain, known)


def _operation(words: tuple[str, ...], known: Catalogue) -> Iterator[Suggestion | str]:
    end = next((at for at, word in enumerate(words) if word in _VERBS), 0)
    if end < 2:
        return
    operation = _VERBS[words[end]]
    endpoint = _row(_topics().get(words[:end], ()), operation)
    if endpoint:
        yield outcome(operation.method, endpoint, known)
    elif words[0] == "core" or words[0] in hosts():
        shown = ":".join(word[:_LONGEST_WORD] for word in words[: end + 1])
        host, version = ("api", "") if words[0] == "core" else words[:2]
        yield unknown_call(f"twilio api:{shown}", host, version, words[1:2], known)


def _row(rows: tuple[Endpoint, ...], operation: Operation) -> Endpoint | None:
    """Return the row an action is for. The CLI also lists and creates what the SDKs fetch and update without a SID."""
    whole = [one for one in rows if segments(one.path)[-1] != "{}"]
    if not operation.on_one:
        return whole[0] if whole else None
    single = [one for one in rows if one not in whole] or [one for one in whole if fits(one, operation)]
    return single[0] if single else None


def _short(words: tuple[str, ...], after: str) -> Iterator[tuple[str, str, str, bool]]:
    """Yield method, host, path and certainty of what the CLI's own commands send, by the code of twilio-cli 6.2."""
    match words[:3]:
        case ("phone-numbers", "list", *_):
            yield "GET", "api", f"{_NUMBERS}.json", True
        case ("phone-numbers", "update", *_):  # it looks the number up first: by its SID, or in the list
            given = _ARGUMENT.match(after)
            kind = given["argument"] if given else None
            if kind in ("PN", None):
                yield "GET", "api", f"{_NUMBERS}/{{}}.json", kind is not None
            if kind in ("+", None):
                yield "GET", "api", f"{_NUMBERS}.json", kind is not None
            yield "POST", "api", f"{_NUMBERS}/{{}}.json", True
        case ("phone-numbers", "buy", kind):
            place = _PATHS_TO_BUY.get(kind)
            if place:
                yield "GET", "api", f"/2010-04-01/Accounts/{{}}/AvailablePhoneNumbers/{{}}/{place}.json", True
                yield "POST", "api", f"{_NUMBERS}.json", True
        case ("debugger", "logs", "list"):
            yield "GET", "monitor", "/v1/Alerts", True
        case _:
            return


def _sent(method: str, host: str, path: str, certain: bool, known: Catalogue) -> Iterator[Suggestion | str]:
    endpoint = find_path(host, path)
    result = outcome(method, endpoint, known) if endpoint else ""
    if isinstance(result, Suggestion):
        yield Suggestion(result.permission, result.why, certain)
    elif result:
        yield result


@cache
def _topics() -> dict[tuple[str, ...], tuple[Endpoint, ...]]:
    """Return the rows by the words of their topic: `("verify", "v2", "services", "verifications")`."""
    found: dict[tuple[str, ...], tuple[Endpoint, ...]] = {}
    for endpoint in all_endpoints():
        if endpoint.names and not endpoint.path.endswith("/**"):
            topic = _topic(endpoint)
            found[topic] = (*found.get(topic, ()), endpoint)
    return found


def _topic(endpoint: Endpoint) -> tuple[str, ...]:
    words = tuple(_kebab(part) for part in segments(endpoint.path) if part != "{}")
    if endpoint.host != "api":
        return (endpoint.host.partition("-")[0], *words)
    return ("core", *(words[2:] if len(words) > 2 else words[1:]))


def _kebab(word: str) -> str:
    return _CAPITAL.sub("-", word).lower()
