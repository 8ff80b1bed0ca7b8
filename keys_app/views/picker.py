"""The permission picker's data: the catalogue, with what is chosen ticked."""

from dataclasses import dataclass
from functools import cache

from ..domain.permissions import Resource, catalogue, expand
from ..domain.policy import Policy, Unknown
from ..domain.risk import explain, risk_of

SEARCH_LIMIT = 100


@dataclass(frozen=True, slots=True)
class Choice:
    value: str
    action: str
    risk: str
    risk_reason: str
    evidence: str
    checked: bool = False


@dataclass(frozen=True, slots=True)
class ResourceRow:
    name: str
    meaning: str
    choices: list[Choice]


@dataclass(frozen=True, slots=True)
class ProductGroup:
    name: str
    title: str
    resources: list[ResourceRow]
    selected: int
    total: int


@cache
def _described() -> dict[str, tuple[str, str]]:
    """Return risk and sentence of every permission; the catalogue does not change while a process runs."""
    return {item.name: (risk_of(item.name).value, explain([item.name])[0].sentence) for item in catalogue()}


def picker(chosen: list[str], search: str = "") -> list[ProductGroup]:
    """Return the catalogue for the form. With `search`, only resources that match, or that are chosen."""
    ticked = {explicit for name in chosen for explicit in expand(name)} | set(chosen)
    words = search.lower().split()[:10]
    groups = []
    for product in catalogue().products:
        rows = [
            _row(resource, ticked)
            for resource in product.resources
            if _matches(words, f"{product.title} {product.name}", resource)
            or any(item.name in ticked for item in resource.permissions)
        ]
        if rows:
            total = sum(choice.action != "*" for row in rows for choice in row.choices)
            selected = sum(choice.checked and choice.action != "*" for row in rows for choice in row.choices)
            groups.append(ProductGroup(product.name, product.title, rows, selected, total))
    return groups


def _matches(words: list[str], product: str, resource: Resource) -> bool:
    text = f"{product} {resource.name} {resource.meaning} {' '.join(item.name for item in resource.permissions)}"
    return all(word in text.lower() for word in words)


def _row(resource: Resource, ticked: set[str]) -> ResourceRow:
    choices = []
    for item in resource.permissions:
        risk, reason = _described()[item.name]
        checked = all(explicit in ticked for explicit in expand(item.name))
        choices.append(Choice(item.name, item.action, risk, reason, item.evidence, checked))
    return ResourceRow(resource.name, resource.meaning, choices)


def unknown_names(chosen: list[str]) -> list[Unknown]:
    """Return what was posted and does not exist, so that the form can show it again."""
    known = catalogue()
    wrong = [name for name in dict.fromkeys(chosen) if name not in known]
    return [Unknown(name, tuple(known.nearest(name)) if n < 10 else ()) for n, name in enumerate(wrong)]


def chosen_policy(chosen: list[str]) -> Policy:
    """Return the known part of a choice as a policy, empty or too large as it may be."""
    known = catalogue()
    return Policy.of(name for name in chosen if name in known)
