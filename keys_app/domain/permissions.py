"""The catalogue: which permissions exist, what they belong to, and how sure we are of each.

The data files come from two independent public lists of Twilio's permission names; the column
`evidence` says how many of them agree. A permission is `/twilio/{product}/{resource}/{action}`.
"""

import csv
import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
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
    """One permission as Twilio spells it. `evidence` is `two-lists`, `one-list`, `one-report` or `implied`."""

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


@dataclass(frozen=True)
class Catalogue:
    """All known permissions by name, and the products they are shown under."""

    products: tuple[Product, ...]
    _by_name: dict[str, Permission] = field(repr=False)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[Permission]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def get(self, name: str) -> Permission | None:
        return self._by_name.get(name)

    def nearest(self, name: str, count: int = 3) -> list[str]:
        """Return the `count` known names most like `name`, best first, for a helpful refusal."""
        known = list(self._by_name)
        return difflib.get_close_matches(name[:200].lower(), known, n=count, cutoff=0.0)


def _rows(filename: str) -> list[dict[str, str]]:
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


def _group(permissions: dict[str, Permission], meanings: dict[tuple[str, str], str]) -> tuple[Product, ...]:
    order = {action: place for place, action in enumerate((*ACTIONS, WILDCARD))}
    tree: dict[str, dict[str, list[Permission]]] = {}
    for permission in sorted(permissions.values(), key=lambda p: (p.product, p.resource, order[p.action])):
        tree.setdefault(permission.product, {}).setdefault(permission.resource, []).append(permission)
    return tuple(
        Product(
            product,
            PRODUCT_TITLES.get(product, product.replace("-", " ").capitalize()),
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
        for row in _rows("permissions.tsv")
    }
    meanings = {(row["product"], row["resource"]): row["meaning"] for row in _rows("resources.tsv")}
    permissions = _with_implied(listed)
    return Catalogue(_group(permissions, meanings), permissions)
