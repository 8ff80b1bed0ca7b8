"""Finding a resource by the words people use for it, which are seldom the words in its name."""

import csv
from functools import cache
from importlib import resources

from .catalogue import Product, Resource

_MAX_QUERY = 200


@cache
def _synonyms() -> dict[str, tuple[str, ...]]:
    """Return the terms for each `product/resource` and each product, from `data/synonyms.tsv`."""
    text = resources.files(__package__).joinpath("data", "synonyms.tsv").read_text(encoding="utf-8")
    found: dict[str, list[str]] = {}
    for row in csv.DictReader(text.splitlines(), delimiter="\t"):
        found.setdefault(row["target"], []).append(row["term"])
    return {target: tuple(terms) for target, terms in found.items()}


def other_words(product: Product, resource: Resource) -> str:
    """Return the words for a resource and its product that are in none of their names, in lower case."""
    synonyms = _synonyms()
    words = (*synonyms.get(product.name, ()), *synonyms.get(f"{product.name}/{resource.name}", ()))
    return " ".join(words).lower()


def search_text(product: Product, resource: Resource) -> str:
    """Return everything this resource may be found by, in lower case.

    That is the product's title and name, the resource's name and meaning, its permissions and other words for it.
    """
    words = (
        product.title,
        product.name,
        resource.name,
        resource.name.replace(".", " ").replace("-", " "),
        resource.meaning,
        other_words(product, resource),
        *(permission.name for permission in resource.permissions),
    )
    return " ".join(words).lower()


def matches(query: str, text: str) -> bool:
    """Tell whether every word of `query` is somewhere in `text`, which is in lower case. No words match all."""
    return all(word in text for word in query[:_MAX_QUERY].lower().split())
