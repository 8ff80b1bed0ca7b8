"""How much harm a leaked key could do, and why, in words a requester and an approver both understand."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from .catalogue import Catalogue, catalogue, rows_of


class Risk(StrEnum):
    """How much harm a key can do, from the lowest to the highest."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def weight(self) -> int:
        return list(Risk).index(self)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a policy has its risk: one sentence, and the permissions it speaks of."""

    risk: Risk
    sentence: str
    permissions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rate:
    """A line of `data/rates.tsv`: what some actions on some resources are rated, whatever else holds for the action.

    `where` is a resource, `product/resource`, or words that stand in the path of any: so what Twilio adds is rated
    too. `words` is a whole sentence (“can …”), or what is said behind the plain one.
    """

    kind: str
    risk: Risk
    actions: frozenset[str]
    where: str
    words: str

    def fits(self, resource: str, path: str, action: str) -> bool:
        return action in self.actions and (resource == self.where if "/" in self.where else f"-{self.where}-" in path)


RATES = tuple(
    Rate(row["kind"], Risk(row["risk"]), frozenset(row["actions"].split()), row["where"], row["words"])
    for row in rows_of("rates.tsv")
)

CONTENT = {rate.where: rate.words for rate in RATES if rate.kind == "content"}
"""What people wrote or said, or files of it: reading any of these is reading someone's private words."""

VERBS = {"update": "change", "*": "list, read, create, change and delete"}


def _split(permission: str) -> tuple[str, str, str]:
    """Return product, `product/resource` and action."""
    _, _, product, resource, action = permission.split("/", 4)
    return product, f"{product}/{resource}", action


def _in_singular(word: str) -> str:
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    return word.removesuffix("s") if not word.endswith("ss") else word


@lru_cache(maxsize=4096)
def rates_of(permission: str) -> tuple[Rate, ...]:
    """Return the rates that fit a permission, in the order of the file; none where it is rated by its action alone."""
    _, resource, action = _split(permission)
    path = f"-{'-'.join(_in_singular(word) for word in re.split('[-./]', resource))}-"
    found = tuple(rate for rate in RATES if rate.fits(resource, path, action))
    return () if any(rate.kind == "public" for rate in found) else found


def _by_action(product: str, action: str) -> Risk:
    if product == "iam":
        return Risk.CRITICAL
    if action in ("delete", "*"):
        return Risk.HIGH
    return Risk.LOW if action in ("read", "list") else Risk.MEDIUM


def risk_of(permission: str) -> Risk:
    """Return the risk of one permission, wildcard or explicit: the highest of its action's and of what it is for."""
    product, _, action = _split(permission)
    risks = [_by_action(product, action), *(rate.risk for rate in rates_of(permission))]
    return max(risks, key=lambda risk: risk.weight)


def higher_risk(one: str, other: str) -> Risk:
    """Return the higher of two risks, given by their names."""
    return max(Risk(one), Risk(other), key=lambda risk: risk.weight)


def policy_risk(permissions: Iterable[str]) -> Risk:
    """Return the highest risk of any of the permissions; `LOW` for none."""
    return max((risk_of(name) for name in permissions), key=lambda risk: risk.weight, default=Risk.LOW)


def _words_for(permission: str) -> tuple[str, str]:
    """Return a sentence where a plain verb and noun would understate it, and what is said behind; both may be empty."""
    product, resource, action = _split(permission)
    if resource == "iam/api-keys" and action in ("create", "*"):
        return "can make new API keys with nearly full access, so it can do everything the account can", ""
    said = [rate.words for rate in rates_of(permission) if product != "iam"]
    whole = next((words for words in said if words.startswith("can ")), "")
    behind = next((words for words in said if not words.startswith("can ")), "")
    return whole, f": {behind}" * bool(behind)


def explain(permissions: Iterable[str], known: Catalogue | None = None) -> list[Reason]:
    """Return what the holder can do, one sentence per kind of access, highest risk first.

    `known` gives the words for each resource; the package's catalogue where it is left out.
    """
    by_sentence: dict[tuple[Risk, str], list[str]] = {}
    by_resource: dict[tuple[Risk, str, str], list[str]] = {}
    for name in permissions:
        whole, behind = _words_for(name)
        if whole:
            by_sentence.setdefault((risk_of(name), whole + behind), []).append(name)
        else:
            by_resource.setdefault((risk_of(name), _split(name)[1], behind), []).append(name)
    for (risk, resource, behind), names in by_resource.items():
        by_sentence[risk, _plain_sentence(resource, names, known or catalogue()) + behind] = names
    reasons = [Reason(risk, words, tuple(names)) for (risk, words), names in by_sentence.items()]
    return sorted(reasons, key=lambda reason: (-reason.risk.weight, reason.permissions))


def _plain_sentence(resource: str, names: list[str], known: Catalogue) -> str:
    verbs = [VERBS.get(_split(name)[2], _split(name)[2]) for name in names]
    joined = " and ".join(filter(None, [", ".join(verbs[:-1]), verbs[-1]]))
    return f"can {joined} {known.subject(*resource.split('/', 1))}"
