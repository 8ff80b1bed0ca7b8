"""How Twilio's generators name one resource in each SDK, from the rows of `endpoints.tsv`.

A row has the chain of Python, Node, Ruby and PHP: `services().verification_checks`. From it follow the classes of
Java and C# (`verify.v2.service.VerificationCheck`) and the operations of Go (`VerifyV2.CreateVerificationCheck`):
each word in the singular, and in Go, and sometimes in Java, behind the words above it. The CLI's topics follow from
the path. `sdk_classes.tsv` has every class of Twilio's SDKs, known to the table or not, so that a name that several
have is not taken for the one that is in the table.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import combinations

from .endpoints import Endpoint, all_endpoints, sdk_name, segments

Words = tuple[str, ...]

# Words whose singular or longer form does not follow from the rule.
_IRREGULAR = {"availablephonenumbercountry": "availablephonenumber", "verificationtemplate": "template"}
_CALLED = "()"
# Its answer holds links and nothing else, so that no code is about it: a bare `Call` is the call of Voice.
_NEVER_MEANT = frozenset({("insights", "v1", "call")})


@dataclass(frozen=True, slots=True)
class Operation:
    """What an SDK's verb does: its HTTP method, and whether it is on one thing or on all of a kind."""

    method: str
    on_one: bool


CREATE, LIST = Operation("POST", False), Operation("GET", False)
FETCH, UPDATE, DELETE = Operation("GET", True), Operation("POST", True), Operation("DELETE", True)
_COLUMNS = {CREATE: "create", LIST: "list", FETCH: "fetch", UPDATE: "update", DELETE: "delete"}


@dataclass(frozen=True, slots=True)
class SdkClass:
    """A class of Java's and C#'s SDKs: its packages and name, and, if others have its name, how it can be called.

    Each signature holds the parameters, a name each, with `:` and its class if that is one of Twilio's.
    """

    words: Words
    signatures: dict[Operation, tuple[Words, ...]]

    @property
    def path(self) -> Words:
        return class_path(self.words)


def fits(endpoint: Endpoint, operation: Operation) -> bool:
    """Tell whether a row is for one thing (or the only one of its kind), as the operation is."""
    return endpoint.names[-1].endswith(_CALLED) == operation.on_one


def _singular(word: str) -> str:
    if word.endswith("ies"):
        word = f"{word[:-3]}y"
    elif word.endswith("sses"):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith("ss"):
        word = word[:-1]
    return _IRREGULAR.get(word, word)


def _words(names: Iterable[str]) -> Words:
    return tuple(_singular(sdk_name(name.removesuffix(_CALLED))) for name in names)


def _plain(words: Words) -> Words:
    """Return the words without those above them, which some stand behind: `execution`, `executionstep`."""
    return tuple(
        next(
            (word[len(above) :] for above in reversed(words[:place]) if word.startswith(above) and word != above), word
        )
        for place, word in enumerate(words)
    )


def _version(endpoint: Endpoint) -> str:
    return "v2010" if endpoint.host == "api" else segments(endpoint.path)[0]


def _class_path(endpoint: Endpoint) -> Words:
    """Return where a row's class is: `("api", "v2010", "account", "message")`."""
    names = _words(endpoint.names)
    above = ("account",) if endpoint.host == "api" and names[0] != "account" else ()
    return (sdk_name(endpoint.host.replace("-", "")), _version(endpoint), *_plain((*above, *names)))


def _known() -> Iterator[Endpoint]:
    return (one for one in all_endpoints() if one.names and not one.path.endswith("/**"))


@cache
def _by_class() -> dict[Words, tuple[Endpoint, ...]]:
    found: dict[Words, tuple[Endpoint, ...]] = {}
    for endpoint in _known():
        path = _class_path(endpoint)
        found[path] = (*found.get(path, ()), endpoint)
    return found


@cache
def _classes() -> tuple[SdkClass, ...]:
    text = resources.files("keys_app.permissions").joinpath("data", "sdk_classes.tsv").read_text(encoding="utf-8")
    found = []
    for row in csv.DictReader(text.splitlines(), delimiter="\t"):
        signatures = {
            operation: tuple(() if one == "-" else tuple(one.split()) for one in row[column].split(" | "))
            for operation, column in _COLUMNS.items()
            if row[column]
        }
        found.append(SdkClass(tuple(row["class"].lower().split(".")), signatures))
    return tuple(found)


@cache
def _by_name() -> dict[str, tuple[SdkClass, ...]]:
    found: dict[str, list[SdkClass]] = {}
    for one in _classes():
        if one.words not in _NEVER_MEANT:
            found.setdefault(one.words[-1], []).append(one)
    return {name: tuple(classes) for name, classes in found.items()}


def classes_of_name(name: str) -> tuple[SdkClass, ...]:
    """Return all classes of the SDKs that are called `name`."""
    return _by_name().get(name.lower(), ())


@cache
def class_paths() -> frozenset[Words]:
    """Return the paths of all classes of the SDKs."""
    return frozenset(one.path for one in _classes())


def class_path(words: Iterable[str]) -> Words:
    """Return a class's path in the form in which it is compared, from its package or namespace and its name."""
    host, version, *rest = (word.lower() for word in words)
    return (host, version, *_plain(tuple(_singular(word) for word in rest)))


def of_class(path: Words, operation: Operation) -> Endpoint | None:
    """Return the row for an operation of the class at `path`, or None."""
    return next((one for one in _by_class().get(path, ()) if fits(one, operation)), None)


def _joined(words: Words) -> Iterator[str]:
    """Yield what the last word is called behind all, or some, of the words above it, in their order."""
    *above, last = words
    for count in range(len(above), -1, -1):
        for some in combinations(above, count):
            yield "".join((*some, last))


def _go_names(one: SdkClass) -> Iterator[tuple[int, str]]:
    """Yield what Go may call a class, with 0 if it is its name in full, 1 behind some of those above it, 2 without."""
    _, _, *words = one.words
    written = tuple(words[1:] if words[0] == "account" and words[1:] else words)
    *above, last = (_singular(word) for word in written)
    for ending in (written[-1], last):
        for name in _joined((*above, ending)):
            yield int(name != "".join((*above, ending)) and name != "".join((*one.path[2:-1], ending))), name
    for name in _joined((*above, one.path[-1])):
        yield 2, name


@cache
def _by_operation() -> dict[Words, frozenset[Words]]:
    """Return the paths of the classes by host, version and name in Go, of those that have it the most fully."""
    found: dict[Words, dict[int, set[Words]]] = {}
    for one in _classes():
        for rank, name in _go_names(one):
            found.setdefault((*one.words[:2], name), {}).setdefault(rank, set()).add(one.path)
    return {key: frozenset(by[min(by)]) for key, by in found.items()}


def of_go(host: str, version: str, name: str, operation: Operation) -> Endpoint | None:
    """Return the row for an operation of Go such as `VerifyV2.CreateVerification`; None if not exactly one has it."""
    known, name = _by_operation(), name.lower()
    paths = known.get((host, version, name)) or known.get((host, version, _singular(name))) or frozenset()
    return of_class(next(iter(paths)), operation) if len(paths) == 1 else None
