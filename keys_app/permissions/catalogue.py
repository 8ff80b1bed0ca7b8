"""The catalogue: which permissions exist, what they belong to, and how sure we are of each.

The data files come from two independent public lists of Twilio's permission names; the column
`evidence` says how many of them agree. A permission is `/twilio/{product}/{resource}/{action}`.

Twilio adds permissions and takes some away, so the catalogue can be extended without a release
(`extended`), with what an operator wrote down and with what real accounts accepted.
"""

import csv
import difflib
import heapq
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib import resources

ACTIONS = ("list", "read", "create", "update", "delete")
WILDCARD = "*"

PRODUCT_TITLES = {
    "billing": "Billing",
    "event-streams": "Event Streams",
    "flex": "Flex",
    "iam": "Identity and access",
    "lookup": "Lookup",
    "messaging": "Messaging",
    "microvisor": "Microvisor",
    "monitor": "Monitor",
    "phone-numbers": "Phone numbers",
    "studio": "Studio",
    "taskrouter": "TaskRouter",
    "verify": "Verify",
    "video": "Video",
    "voice": "Voice",
}


@dataclass(frozen=True, slots=True)
class Permission:
    """One permission as Twilio spells it, and how we know of it.

    `evidence` is `two-lists`, `one-list`, `one-report` or `implied` as shipped; `operator` for an addition,
    `account` where a real account accepted it, `refused` where one refused it, `removed` where nobody can
    ask for it any more.
    """

    name: str
    product: str
    resource: str
    action: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Resource:
    """Something a permission acts on, with its permissions in the order of `ACTIONS`, wildcard last."""

    name: str
    meaning: str
    permissions: tuple[Permission, ...]


@dataclass(frozen=True, slots=True)
class Product:
    """A product of Twilio with its resources, in the order of the catalogue."""

    name: str
    title: str
    resources: tuple[Resource, ...]


def expand(name: str) -> tuple[str, ...]:
    """Return the explicit permissions `name` stands for: five for a wildcard, itself otherwise.

    A wildcard stands for all five actions: it exists exactly on resources that have all of them,
    and Twilio answers with it where all five are set (seen in a published test).
    """
    if not name.endswith("/" + WILDCARD):
        return (name,)
    return tuple(name[: -len(WILDCARD)] + action for action in ACTIONS)


_COMPARED = 24
_LONGEST_COMPARED = 120


@lru_cache(maxsize=16384)
def _pairs(name: str) -> frozenset[str]:
    """Return the pairs of neighbouring characters in a name."""
    return frozenset(name[place : place + 2] for place in range(len(name) - 1))


@dataclass(frozen=True)
class Catalogue:
    """All permissions that can be chosen by name, and the products they are shown under."""

    products: tuple[Product, ...]
    _by_name: dict[str, Permission] = field(repr=False)
    _meanings: dict[tuple[str, str], str] = field(repr=False)
    _removed: dict[str, Permission] = field(default_factory=dict, repr=False)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[Permission]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def get(self, name: str) -> Permission | None:
        """Return a permission, also a removed one: an old policy may hold it. Only `in` says what can be chosen."""
        return self._by_name.get(name) or self._removed.get(name)

    def subject(self, product: str, resource: str) -> str:
        """Return what a resource is in words, `records of calls (Voice)`, also where it was removed."""
        return f"{self._meanings.get((product, resource)) or resource} ({_title(product)})"

    def nearest(self, name: str, count: int = 3) -> list[str]:
        """Return the `count` known names most like `name`, best first, for a helpful refusal.

        Comparing character by character is slow, so only names that share many pairs of letters are.
        """
        wanted = name[:_LONGEST_COMPARED].lower()
        pairs = _pairs(wanted)
        likely = heapq.nlargest(_COMPARED, self._by_name, key=lambda known: len(pairs & _pairs(known)))
        return difflib.get_close_matches(wanted, likely, n=count, cutoff=0.0)


def rows_of(filename: str) -> list[dict[str, str]]:
    """Return the lines of one of the package's data files, by the names of its columns."""
    text = resources.files(__package__).joinpath("data", filename).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines(), delimiter="\t"))


def _with_implied(permissions: dict[str, Permission]) -> dict[str, Permission]:
    """Add the explicit actions of a resource that the lists give as a wildcard alone."""
    complete = dict(permissions)
    for listed in permissions.values():
        for name in expand(listed.name):
            action = name.rpartition("/")[2]
            complete.setdefault(name, Permission(name, listed.product, listed.resource, action, "implied"))
    return complete


def _title(product: str) -> str:
    return PRODUCT_TITLES.get(product, product.replace("-", " ").capitalize())


def _group(permissions: Mapping[str, Permission], meanings: Mapping[tuple[str, str], str]) -> tuple[Product, ...]:
    order = {action: place for place, action in enumerate((*ACTIONS, WILDCARD))}
    tree: dict[str, dict[str, list[Permission]]] = {}
    for permission in sorted(permissions.values(), key=lambda p: (p.product, p.resource, order[p.action])):
        tree.setdefault(permission.product, {}).setdefault(permission.resource, []).append(permission)
    return tuple(
        Product(
            product,
            _title(product),
            tuple(
                Resource(name, meanings.get((product, name), ""), tuple(listed)) for name, listed in by_resource.items()
            ),
        )
        for product, by_resource in tree.items()
    )


@cache
def catalogue() -> Catalogue:
    """Return the catalogue shipped with the package. Read once per process."""
    listed = {
        row["permission"]: Permission(
            row["permission"], row["product"], row["resource"], row["action"], row["evidence"]
        )
        for row in rows_of("permissions.tsv")
    }
    meanings = {(row["product"], row["resource"]): row["meaning"] for row in rows_of("resources.tsv")}
    permissions = _with_implied(listed)
    return Catalogue(_group(permissions, meanings), permissions, meanings)


_EXPLICIT = re.compile(rf"/twilio/([a-z0-9-]+)/([a-z0-9.-]+)/({'|'.join(ACTIONS)})")
_STRANGE = re.compile(r"[^a-z0-9./-]")
MAX_NAME = 200
"""Longest name that is stored, in characters; the longest known one has 76."""


def why_not_a_permission(name: str) -> str:
    """Return what is wrong with a name that is to be added to the catalogue; empty if it can be one.

    A wildcard cannot: it exists exactly where all five actions do, so it follows from them.
    """
    parts = name.split("/")
    if len(name) > MAX_NAME:
        return f"A name has at most {MAX_NAME} characters."
    if _EXPLICIT.fullmatch(name):
        return ""
    if WILDCARD in name:
        return "Name each action. The wildcard appears by itself when a resource has all five."
    if strange := _STRANGE.search(name):
        return f"“{strange.group()}” is in no permission: they have small letters, digits, hyphens, dots and slashes."
    if parts[:2] != ["", "twilio"]:
        return "A permission begins with /twilio/."
    if len(parts) < 5:
        return "This names no resource with an action. A permission looks like /twilio/product/resource/action."
    if len(parts) > 5 or not all(parts[1:4]):
        return "A permission has exactly four parts: /twilio/product/resource/action."
    return f"The last part is the action: one of {', '.join(ACTIONS)}."


def look_alike(name: str, known: Catalogue) -> str:
    """Return a known resource that `name` may be a misspelling of, as `product/resource`; empty if there is none.

    Twilio's own names are full of near twins (`task-queue.` beside `task-queues.`), so it is no proof.
    """
    wanted = name.removeprefix("/twilio/").rpartition("/")[0]
    resources = [f"{product.name}/{item.name}" for product in known.products for item in product.resources]
    if wanted in resources:
        return ""
    return next(iter(difflib.get_close_matches(wanted, resources, n=1, cutoff=0.9)), "")


def read_additions(text: str) -> tuple[tuple[str, str], ...]:
    """Read an operator's file: tab-separated, first line `permission` and `meaning`; return both of each line.

    Raises `ValueError`, which names the line, for anything else. A meaning may be left out.
    """
    header, *lines = [line.rstrip("\r").split("\t") for line in text.split("\n")]
    if header != ["permission", "meaning"]:
        raise ValueError("line 1: it must be “permission”, a tab and “meaning”")
    found: dict[str, str] = {}
    for number, columns in enumerate(lines, start=2):
        name, meaning = columns[0].strip(), " ".join("".join(columns[1:2]).split())
        if columns == [""]:
            continue
        if problem := why_not_a_permission(name):
            raise ValueError(f"line {number}: {problem}")
        if len(columns) > 2 or name in found:
            raise ValueError(f"line {number}: " + ("too many tabs" if len(columns) > 2 else f"{name} is there twice"))
        found[name] = meaning
    return tuple(found.items())


def extended(
    base: Catalogue, *, added: Iterable[tuple[str, str]], removed: Iterable[str], observed: Mapping[str, bool]
) -> Catalogue:
    """Return `base` with what an operator knows and what real accounts said.

    `added` are explicit permissions with a few words on their resource, which count where `base` has none; a
    name that is no explicit permission is left out, one that `base` has is taken from `base`. `removed` cannot
    be chosen any more, nor can a wildcard that stands for one of them. `observed` says of explicit
    permissions whether any account accepted them; a wildcard is as sure as the actions it stands for.
    """
    known, meanings = {item.name: item for item in base}, dict(base._meanings)
    for name, meaning in added:
        if match := _EXPLICIT.fullmatch(name):
            product, resource, action = match.groups()
            known.setdefault(name, Permission(name, product, resource, action, "operator"))
            meanings[product, resource] = meanings.get((product, resource)) or meaning
    _add_wildcards(known)
    gone, kept, lost = set(removed), {}, {}
    for name, item in known.items():
        stands_for = expand(name)
        if gone.isdisjoint((name, *stands_for)):
            kept[name] = _observed(item, [observed.get(explicit) for explicit in stands_for])
        else:
            lost[name] = _with_evidence(item, "removed")
    return Catalogue(_group(kept, meanings), kept, meanings, base._removed | lost)


def _add_wildcards(known: dict[str, Permission]) -> None:
    """Give each resource that has all five actions its wildcard."""
    for item in [item for item in known.values() if item.action == ACTIONS[0]]:
        name = f"/twilio/{item.product}/{item.resource}/{WILDCARD}"
        if name not in known and all(explicit in known for explicit in expand(name)):
            known[name] = Permission(name, item.product, item.resource, WILDCARD, "operator")


def _observed(item: Permission, answers: list[bool | None]) -> Permission:
    if False in answers:
        return _with_evidence(item, "refused")
    return _with_evidence(item, "account") if all(answers) else item


def _with_evidence(item: Permission, evidence: str) -> Permission:
    return Permission(item.name, item.product, item.resource, item.action, evidence)
