"""A policy as text: JSON that a person pasted or edited, read strictly and with the place of every mistake."""

import json
import re
import unicodedata
from itertools import islice

from keys_app.core.errors import InvalidInput

from .catalogue import WILDCARD, Catalogue, catalogue
from .policy import Policy, Unknown, unknown_among

MAX_TEXT = 65_536
"""The most characters that are read. A policy of 100 permissions has fewer than 10,000."""

_MAX_DEPTH = 16  # a policy has two levels; Python's own limit is never reached
_EXPLAINED = 10  # how many unknown names are explained, as in Policy.parse
_SHOWN = 80
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_KINDS = {dict: "an object", list: "a list", bool: "true or false", int: "a number", float: "a number"}


class PolicyTextError(InvalidInput):
    """The text is not a policy.

    `line` and `column` count from 1 and say where, if there is one place; the message begins with them.
    `unknown` holds the permissions that do not exist, with the nearest ones.
    """

    def __init__(
        self, message: str, *, line: int | None = None, column: int | None = None, unknown: tuple[Unknown, ...] = ()
    ) -> None:
        where = f"Line {line}, column {column}: " if line is not None else ""
        super().__init__("policy_text", where + message)
        self.line = line
        self.column = column
        self.unknown = unknown


def parse_policy_text(text: str, known: Catalogue | None = None) -> Policy:
    """Read `{"allow": [...]}`, or a bare JSON list of permissions, as a policy.

    Names are checked against `known` (the shipped catalogue if left out). The wildcard of a resource is
    expanded; Twilio knows none above a resource. Whatever `Policy.to_json` wrote is read back as the same policy.

    Raises `PolicyTextError` for everything else, including 0 or more than 100 permissions.
    """
    known = catalogue() if known is None else known
    if len(text) > MAX_TEXT:
        raise PolicyTextError(f"The text has {len(text):,} characters. At most {MAX_TEXT:,} are read.")
    text = text.removeprefix("\ufeff")  # editors on Windows begin files with it
    if not text.strip():
        raise PolicyTextError('There is no text. A policy looks like {"allow": ["/twilio/messaging/messages/read"]}.')
    _check_characters(text, text, 0)
    _check_depth(text)
    names = _names(_load(text), text)
    places = [match.start() for match in _STRING.finditer(text)][-len(names) :] if names else []
    for name, place in zip(names, places, strict=True):
        _check_characters(name, text, place)
    _check_names(names, text, places, known)
    try:
        return Policy.parse(names, known)
    except InvalidInput as error:
        raise PolicyTextError(error.message) from error


def _error(message: str, text: str, place: int, unknown: tuple[Unknown, ...] = ()) -> PolicyTextError:
    line = text.count("\n", 0, place) + 1
    column = place - text.rfind("\n", 0, place)
    return PolicyTextError(message, line=line, column=column, unknown=unknown)


def _check_characters(part: str, text: str, place: int) -> None:
    """Refuse what is not plain ASCII text: every permission is, and look-alikes must not pass unseen.

    `part` is the text itself, or a name decoded from it, which stands at `place`.
    """
    wrong = next((n for n, char in enumerate(part) if not " " <= char <= "~" and char not in "\t\r\n"), None)
    if wrong is None and part is not text:
        wrong = next((n for n, char in enumerate(part) if char in "\t\r\n"), None)
    if wrong is None:
        return
    char = part[wrong]
    name = unicodedata.name(char, "a control character or no character at all")
    shown = f"“{char}”, " if char.isprintable() else ""
    message = f"the character {shown}U+{ord(char):04X} ({name}) does not belong in a policy. Type it again by hand."
    raise _error(message, text, place + (wrong if part is text else 0))


def _check_depth(text: str) -> None:
    depth, place = 0, 0
    while place < len(text):
        if text[place] == '"':
            match = _STRING.match(text, place)
            place = match.end() if match else len(text)  # an open string is reported by the JSON reader
            continue
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(text[place], 0)
        if depth > _MAX_DEPTH:
            raise _error("lists and objects are nested too deeply.", text, place)
        place += 1


def _load(text: str) -> object:
    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found: dict[str, object] = {}
        for key, value in pairs:
            if key in found:
                raise _error(f"the key “{_cut(key)}” is there twice.", text, _place_of_key(text, key))
            found[key] = value
        return found

    try:
        # Numbers are refused later; reading them as 0 keeps very long ones from being an error of another kind.
        return json.loads(text, object_pairs_hook=unique, parse_int=lambda _: 0, parse_float=lambda _: 0.0)
    except json.JSONDecodeError as error:
        raise _error(_syntax(error, text), text, error.pos) from error


def _cut(value: str) -> str:
    printable = "".join(char if " " <= char <= "~" else "?" for char in value[:_SHOWN])
    return printable + ("…" if len(value) > _SHOWN else "")


def _place_of_key(text: str, key: str) -> int:
    """Return where `key` stands for the last time, as it is or with everything but ASCII escaped."""
    return max(text.rfind(json.dumps(key)), text.rfind(f'"{key}"'), 0)


_SYNTAX = (
    ("Unterminated", "this text has no closing quotation mark."),
    ("Invalid control", "a name ends at the end of its line. Is a closing quotation mark missing?"),
    ("Invalid \\", "a backslash does not belong in a policy."),
    ("Extra data", "the policy ends before this. Nothing may follow it."),
    ("Illegal trailing comma", "no comma may stand before a closing bracket."),
)


def _syntax(error: json.JSONDecodeError, text: str) -> str:
    by_reader = next((words for start, words in _SYNTAX if error.msg.startswith(start)), None)
    return by_reader or _syntax_by_what_follows(text[: error.pos].rstrip(), text[error.pos :].lstrip())


def _syntax_by_what_follows(before: str, rest: str) -> str:
    if not rest:
        return "the text ends too early. Is a closing bracket missing?"
    if rest[0] in "]}" and before.endswith(","):
        return f"no comma may stand before {rest[0]}."
    if rest[0] == "'":
        return "names stand in double quotation marks, not in single ones."
    if rest.startswith(("//", "/*", "#")):
        return "JSON has no comments."
    if rest[0] == '"':
        return "a comma or a colon is missing before this."
    return "this is not JSON."


def _names(value: object, text: str) -> list[str]:
    if isinstance(value, dict):
        others = [key for key in value if key != "allow"]
        if others:
            listed = ", ".join(f"“{_cut(key)}”" for key in others[:_EXPLAINED])
            message = f"a policy has the key “allow” only, not {listed}."
            raise _error(message, text, _place_of_key(text, others[0]))
        if "allow" not in value:
            raise PolicyTextError("The key “allow” is missing.")
        value = value["allow"]
        if not isinstance(value, list):
            raise PolicyTextError(f"“allow” must be a list of permissions, not {_kind(value)}.")
    if not isinstance(value, list):
        raise PolicyTextError(f"A policy is an object with the key “allow”, not {_kind(value)}.")
    wrong = next(((n, item) for n, item in enumerate(value, start=1) if not isinstance(item, str)), None)
    if wrong is not None:
        raise PolicyTextError(f"Entry {wrong[0]} of the list is {_kind(wrong[1])}. Every entry is a text.")
    if not value:
        raise PolicyTextError("The list is empty. Give at least one permission.")
    return value


def _kind(value: object) -> str:
    return "null" if value is None else _KINDS.get(type(value), "a text")


def _check_names(names: list[str], text: str, places: list[int], known: Catalogue) -> None:
    wrong = {name: place for name, place in zip(reversed(names), reversed(places), strict=True) if name not in known}
    if not wrong:
        return
    ordered = sorted(wrong, key=lambda name: wrong[name])
    unknown = unknown_among(ordered, known)
    sentences = [_why(item, known) for item in islice(unknown, _EXPLAINED)]
    if len(unknown) > _EXPLAINED:
        sentences.append(f"{len(unknown) - _EXPLAINED:,} more do not exist.")
    raise _error(" ".join(sentences), text, wrong[ordered[0]], unknown)


def _why(unknown: Unknown, known: Catalogue) -> str:
    name = unknown.name
    spelled = "/" + name.strip().lower().strip("/")
    if spelled in known:
        return f"“{_cut(name)}” is not how Twilio spells it. Did you mean {spelled}?"
    if WILDCARD not in name:
        return unknown.message
    resource = name[: -len(WILDCARD)]
    if name.endswith("/" + WILDCARD) and any(resource + action in known for action in ("list", "read", "create")):
        return f"“{_cut(name)}” does not exist: a wildcard stands for all five actions, and this resource has fewer."
    return f"“{_cut(name)}” is not a permission: a wildcard stands for the actions of one resource, never for more."
