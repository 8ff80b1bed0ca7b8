"""What the portal can say of a product of Twilio's API where no permission is found, as data: `data/products.tsv`.

A row holds the first label of a host, the beginning of the paths it is about (all, if empty), the names the SDKs and
Twilio's CLI have for it, and which answer it gets: `here` (its permissions are in the catalogue, under the products
that `catalogue` names), `documented` (Twilio documents permissions whose spelling no public source gives), `none`
(Twilio has none), `unlisted` (no list names it), `token` (it takes no API key at all) or `ended` (Twilio has switched
it off). `source` is where Twilio says so; a product that only its list of supported products leaves out has that list.
Hosts and names are those of Twilio's official Python SDK, 9.13, and products that had left it by then.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from .catalogue import PRODUCT_TITLES, Catalogue, rows_of

LIST_OF_PERMISSIONS = "https://www.twilio.com/docs/iam/api-keys/restricted-api-keys"
ADD_IT = "a portal admin can add it under “Catalogue permissions” in the administration"
_SHORTEST_BEGINNING = 3
_WORD = re.compile(r"[a-z0-9-]+")
_EXTENSION = re.compile(r"\.[a-z0-9]{1,5}\Z")


class ProductAnswer(StrEnum):
    """Which kind of answer a product gets where a call leads to no permission."""

    HERE = "here"
    DOCUMENTED = "documented"
    NONE = "none"
    UNLISTED = "unlisted"
    TOKEN = "token"  # noqa: S105  (a kind of answer)
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class TwilioProduct:
    """One row: where a product is found, and what is known of its permissions."""

    host: str
    path: tuple[str, ...]
    names: frozenset[str]
    title: str
    answer: ProductAnswer
    catalogue: tuple[str, ...]
    words: frozenset[str]


def plain(name: str) -> str:
    """Return the name of a product as SDKs, CLI and hosts have it, in one form: `flexapi` for `flex-api`, `FlexApi`."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


@cache
def twilio_products() -> tuple[TwilioProduct, ...]:
    """Return all rows, of one host the more exact ones first."""
    return tuple(
        TwilioProduct(
            row["host"],
            tuple(part for part in row["path"].split("/") if part),
            frozenset(plain(name) for name in row["sdk"].split()),
            row["title"],
            ProductAnswer(row["answer"]),
            tuple(row["catalogue"].split()),
            frozenset(_WORD.findall(f"{row['host']} {row['sdk']} {row['title']} {row['words']}".lower())),
        )
        for row in rows_of("products.tsv")
    )


def at_host(host: str, path: str = "") -> TwilioProduct | None:
    """Return the product at the first label of a Twilio host and a path; None if no row is about it."""
    parts = tuple(part for part in _EXTENSION.sub("", path).split("/") if part)
    return next((one for one in twilio_products() if one.host == host and _begins(one.path, parts)), None)


def by_name(name: str, version: str = "") -> TwilioProduct | None:
    """Return the product an SDK or the CLI calls `name`, in `version` or the first one; None if no row has it."""
    named = [one for one in twilio_products() if plain(name) in one.names and len(one.path) < 2]
    return next((one for one in named if not version or one.path in ((), (version,))), None)


def _begins(pattern: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    pairs = zip(pattern, parts, strict=False)
    return len(pattern) <= len(parts) and all(part in ("{}", given) for part, given in pairs)


def _added(product: TwilioProduct, known: Catalogue) -> str:
    """Return the title under which an operator added permissions for a product; empty if there are none."""
    names = product.names | {plain(product.host), plain(product.title)}
    own = (one for one in known.products if one.name not in PRODUCT_TITLES)
    return next((one.title for one in own if plain(one.name) in names), "")


def no_permission(product: TwilioProduct, known: Catalogue) -> str:
    """Return why no permission is found for a product outside the catalogue, and what the reader can do."""
    named = f"{product.title} ({product.host}.twilio.com)"
    if added := _added(product, known):
        return f"{named}: which call needs which permission is not known here. Look under {added} in the list."
    if product.answer is ProductAnswer.NONE:
        return (
            f"{named}: Twilio has no restricted permission for it, so no key from this portal can call it. "
            "It takes a Standard key, which is made in the Twilio Console."
        )
    if product.answer is ProductAnswer.DOCUMENTED:
        return (
            f"{named}: Twilio documents restricted permissions for it, but they are not in this catalogue yet. "
            f"Find the exact name in Twilio’s list, {LIST_OF_PERMISSIONS}; {ADD_IT}."
        )
    if product.answer is ProductAnswer.TOKEN:
        return f"{named}: it takes OAuth credentials and no API key, so no permission of a key covers it."
    if product.answer is ProductAnswer.ENDED:
        return f"{named}: Twilio no longer offers it, so no key can call it."
    return (
        f"{named} is not known here: no list of restricted permissions names it. "
        f"If Twilio documents a permission for it, {ADD_IT}."
    )


def not_known(operation: str, product: TwilioProduct | None, known: Catalogue) -> str:
    """Return that an operation is not known, where to look for its permission, and how a missing one is added."""
    if product and product.answer is not ProductAnswer.HERE:
        return no_permission(product, known)
    shown = {one.name: one.title for one in known.products}
    titles = [shown[name] for name in product.catalogue if name in shown] if product else []
    look = f" Look under {_or(titles)} in the list." if titles else ""
    return f"{operation} is not known here.{look} If Twilio documents another permission for it, {ADD_IT}."


def _or(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


@dataclass(frozen=True, slots=True)
class NotHere:
    """What a search for a product outside the catalogue is answered with, and the words it is found by."""

    words: str
    sentence: str


def not_here(known: Catalogue) -> tuple[NotHere, ...]:
    """Return the products of Twilio that the catalogue has no permission for, each title and each host once."""
    found: dict[str, NotHere] = {}
    hosts: set[str] = set()
    for one in twilio_products():
        if one.answer is ProductAnswer.HERE or one.host in hosts or _added(one, known):
            continue
        hosts.add(one.host)
        earlier = found.get(one.title) or NotHere("", no_permission(one, known))
        found[one.title] = NotHere(" ".join(sorted({*earlier.words.split(), *one.words})), earlier.sentence)
    return tuple(found.values())


def answers_to(query: str, known: Catalogue) -> tuple[str, ...]:
    """Return what is said of the products outside the catalogue that a search names, also by a beginning."""
    asked = [word for word in query.lower().split() if len(word) >= _SHORTEST_BEGINNING]
    return tuple(
        one.sentence
        for one in not_here(known)
        if any(word.startswith(begun) for begun in asked for word in one.words.split())
    )
