"""The permission picker's data: the catalogue, with what is chosen ticked."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from keys_app.permissions.catalogue import Catalogue, Product, Resource, expand
from keys_app.permissions.guardrails import GuardRails
from keys_app.permissions.levels import available_levels, level_of
from keys_app.permissions.policy import Policy, Unknown, unknown_among
from keys_app.permissions.risk import explain, risk_of
from keys_app.permissions.search import matches, search_text

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
    """A resource of the catalogue as the form shows it, with a choice for each of its permissions."""

    name: str
    meaning: str
    search: str
    level: str
    levels: list[str]
    choices: list[Choice]


@dataclass(frozen=True, slots=True)
class ProductGroup:
    """A product of the catalogue as the form shows it, with how many of its permissions are ticked."""

    name: str
    title: str
    resources: list[ResourceRow]
    selected: int
    total: int


@lru_cache(maxsize=8192)
def _described(permission: str) -> tuple[str, str]:
    """Return risk and sentence of a permission; both depend on its name alone."""
    return risk_of(permission).value, explain([permission])[0].sentence


def picker(known: Catalogue, chosen: Iterable[str], rails: GuardRails, search: str = "") -> list[ProductGroup]:
    """Return the catalogue for the form. With `search`, only resources that match, or that are chosen."""
    ticked = {explicit for name in chosen for explicit in expand(name)}
    groups = (_group(product, ticked, rails, search[:SEARCH_LIMIT]) for product in known.products)
    return [group for group in groups if group.resources]


def _group(product: Product, ticked: set[str], rails: GuardRails, search: str) -> ProductGroup:
    rows = []
    for resource in product.resources:
        text = search_text(product, resource)
        if matches(search, text) or any(item.name in ticked for item in resource.permissions):
            rows.append(_row(resource, text, ticked, rails))
    explicit = [choice for row in rows for choice in row.choices if choice.action != "*"]
    return ProductGroup(product.name, product.title, rows, sum(choice.checked for choice in explicit), len(explicit))


def _row(resource: Resource, text: str, ticked: set[str], rails: GuardRails) -> ResourceRow:
    choices = []
    for item in resource.permissions:
        checked = all(explicit in ticked for explicit in expand(item.name))
        blocked = rails.blocks(item.name)
        choices.append(Choice(item.name, item.action, *_described(item.name), item.evidence, checked, blocked))
    levels = [level.value for level in available_levels(resource)]
    return ResourceRow(resource.name, resource.meaning, text, level_of(resource, ticked).value, levels, choices)


def unknown_names(known: Catalogue, chosen: Iterable[str]) -> list[Unknown]:
    """Return what was posted and does not exist, so that the form can show it again."""
    return list(unknown_among(chosen, known))


def known_part(known: Catalogue, chosen: Iterable[str]) -> Policy:
    """Return the known part of a choice as a policy, empty or too large as it may be."""
    return Policy.of(name for name in chosen if name in known)
