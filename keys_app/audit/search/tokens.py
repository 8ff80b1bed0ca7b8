"""The words an event is found by, written beside it in the same transaction.

A term is a kind and a value, such as `actor:lena`. Each is a row with the event's number, so that every search is a
walk along an index, newest first, however many events there are. What is long or has parts is entered part by part:
a permission also by its product and resource, an address also by its beginnings, a text by its words.
"""

import ipaddress
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping

from keys_app.permissions.risk import policy_risk

MAX_VALUE = 160
MAX_TERMS = 5000
"""More than any event has; beyond it, further words of its texts are not entered."""
_WORD = re.compile(r"[^\W_]+")


def folded(text: str) -> str:
    """Return a text as it is compared: without regard to case, width or ways of composing letters."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def words(text: str) -> list[str]:
    """Return the words of a text, each once, in order of appearance."""
    return list(dict.fromkeys(word[:MAX_VALUE] for word in _WORD.findall(folded(text))))


def whole(text: str) -> str:
    """Return a name as one value, with single spaces."""
    return " ".join(folded(text).split())[:MAX_VALUE]


def address_values(address: str) -> list[str]:
    """Return an address and the beginnings it is found by: `10.`, `10.1.`, `10.1.2.`; `2001:db8:` and so on."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return [folded(address)] if address else []
    if parsed.version == 4:
        parts = str(parsed).split(".")
        return [".".join(parts[:n]) + "." for n in (1, 2, 3)] + [str(parsed)]
    groups = [group.lstrip("0") or "0" for group in parsed.exploded.split(":")]
    return [":".join(groups[:n]) + ":" for n in (1, 2, 3, 4)] + [str(parsed)]


def permission_values(permissions: Iterable[str]) -> list[str]:
    """Return permissions with their resources and products: `/twilio/iam/`, `/twilio/iam/api-keys/`."""
    found: dict[str, None] = {}
    for name in permissions:
        parts = name.split("/")
        for end in range(3, len(parts)):
            found["/".join(parts[:end]) + "/"] = None
        found[name] = None
    return [name[:MAX_VALUE] for name in found]


def terms_of(event: Mapping[str, object]) -> list[str]:
    """Return the terms of an event, which is what its canonical JSON says."""
    found = dict.fromkeys(f"{kind}:{value}" for kind, value in _pairs(event) if value)
    return list(found)[:MAX_TERMS]


def _pairs(event: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    policy, name, login = str(event["policy"]), str(event["actor_name"]), str(event.get("login", ""))
    allowed = json.loads(policy)["allow"] if policy else []
    yield "family", str(event["action"]).partition(".")[0]
    yield "risk", str(event.get("risk", "")) or (policy_risk(allowed) if allowed else "")
    yield "team", whole(str(event.get("team", "")))
    number = f"#{event['actor_id']}" if event["actor_id"] else ""
    for value in (*words(name), whole(name), whole(login), number):
        yield "actor", value
    for value in address_values(str(event["address"])):
        yield "address", value
    for value in permission_values(allowed):
        yield "permission", value
    for text in (str(event["reason"]), *_texts(event["details"])):
        for word in words(text):
            yield "text", word


def _texts(value: object) -> Iterator[str]:
    """Return every text and number in the details, however deep."""
    if isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    elif value is not None and not isinstance(value, bool):
        yield str(value)
