"""The permission picker's data: the part of the catalogue that the form shows, with what is chosen ticked.

The whole catalogue is five times as much as the rest of the page. So the page names each product and shows the
resources of which something is chosen; the others come when a product is opened, see `catalogue`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from keys_app.permissions.catalogue import WILDCARD, Catalogue, Product, Resource, expand
from keys_app.permissions.guardrails import GuardRails
from keys_app.permissions.levels import available_levels, level_of
from keys_app.permissions.policy import Policy, Unknown, unknown_among
from keys_app.permissions.risk import explain, risk_of
from keys_app.permissions.search import matches, other_words, search_text

SEARCH_LIMIT = 100
_EVIDENCE = {
    "two-lists": "Named by two lists",
    "account": "Confirmed by a real account",
    "operator": "Added by the portal’s operator",
    "one-list": "Named by one list only, so Twilio may refuse it",
    "one-report": "Named by one report only, so Twilio may refuse it",
    "implied": "Follows from a wildcard only, so Twilio may refuse it",
    "refused": "A real account refused it",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """One checkbox. `blocked` says why the guardrails do not allow it, or is empty."""

    value: str
    action: str
    risk: str
    risk_reason: str
    evidence: str
    checked: bool
    blocked: str

    @property
    def about(self) -> str:
        """Return why it is a risk, where it is one, and how the portal knows of it."""
        risk = f"{self.risk.capitalize()} risk: {self.risk_reason}. " if self.risk in ("high", "critical") else ""
        return risk + _EVIDENCE.get(self.evidence, "")

    @property
    def doubt(self) -> str:
        """Return the classes that mark it where Twilio may refuse it, or did."""
        if self.evidence == "refused":
            return "doubt refused"
        doubtful = self.action != "*" and self.evidence in ("one-list", "one-report", "implied")
        return "doubt" if doubtful else ""


@dataclass(frozen=True, slots=True)
class ResourceRow:
    """A resource of the catalogue as the form shows it, with a choice for each of its permissions.

    `words` are those it is found by besides what the row says.
    """

    name: str
    meaning: str
    words: str
    level: str
    levels: list[str]
    choices: list[Choice]


@dataclass(frozen=True, slots=True)
class ProductGroup:
    """A product of the catalogue as the form shows it, with how many of its permissions are ticked.

    `resources` are those on the page; `missing` is how many others it has, and `total` counts the permissions of all.
    """

    name: str
    title: str
    resources: list[ResourceRow]
    missing: int
    selected: int
    total: int


@lru_cache(maxsize=8192)
def _described(permission: str) -> tuple[str, str]:
    """Return risk and sentence of a permission; both depend on its name alone."""
    return risk_of(permission).value, explain([permission])[0].sentence


def picker(
    known: Catalogue, chosen: Iterable[str], rails: GuardRails, *, search: str = "", whole: bool = False
) -> list[ProductGroup]:
    """Return the products for the form, each with the resources of which something is chosen.

    With `search` also those that match, and no product without one; `whole` is every resource.
    """
    ticked = {explicit for name in chosen for explicit in expand(name)}
    query = search[:SEARCH_LIMIT]
    groups = (_group(product, ticked, rails, query, whole) for product in known.products)
    return [group for group in groups if group.resources or not query.strip()]


def _group(product: Product, ticked: set[str], rails: GuardRails, search: str, whole: bool) -> ProductGroup:
    is_found = bool(search.strip())

    def is_shown(resource: Resource) -> bool:
        if any(item.name in ticked for item in resource.permissions):
            return True
        return matches(search, search_text(product, resource)) if is_found else whole

    rows = [_row(product, resource, ticked, rails) for resource in product.resources if is_shown(resource)]
    explicit = [item.name for one in product.resources for item in one.permissions if item.action != WILDCARD]
    missing = len(product.resources) - len(rows)
    return ProductGroup(product.name, product.title, rows, missing, len(ticked.intersection(explicit)), len(explicit))


def _row(product: Product, resource: Resource, ticked: set[str], rails: GuardRails) -> ResourceRow:
    choices = []
    for item in resource.permissions:
        checked = all(explicit in ticked for explicit in expand(item.name))
        blocked = rails.blocks(item.name)
        choices.append(Choice(item.name, item.action, *_described(item.name), item.evidence, checked, blocked))
    levels = [level.value for level in available_levels(resource)]
    words = other_words(product, resource)
    return ResourceRow(resource.name, resource.meaning, words, level_of(resource, ticked).value, levels, choices)


def unknown_names(known: Catalogue, chosen: Iterable[str]) -> list[Unknown]:
    """Return what was posted and does not exist, so that the form can show it again."""
    return list(unknown_among(chosen, known))


def known_part(known: Catalogue, chosen: Iterable[str]) -> Policy:
    """Return the known part of a choice as a policy, empty or too large as it may be."""
    return Policy.of(name for name in chosen if name in known)


def blocked_by(rails: GuardRails, known: Catalogue) -> dict[str, list[str]]:
    """Return which permissions guardrails block, by the sentence that says why."""
    found: dict[str, list[str]] = {}
    if rails.blocks_any:
        for item in known:
            if reason := rails.blocks(item.name):
                found.setdefault(reason, []).append(item.name)
    return found
