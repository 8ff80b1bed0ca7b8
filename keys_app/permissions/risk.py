"""How much harm a leaked key could do, and why, in words a requester and an approver both understand."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from .catalogue import Catalogue, catalogue


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


# What people wrote or said, or files of it: reading any of these is reading somebody's private words.
CONTENT = {
    "messaging/messages": "can read the text of every message",
    "messaging/messages.media": "can fetch pictures and files sent in messages",
    "studio/executions.context": "can read what people answered in Studio flows",
    "studio/executions.steps.context": "can read what people answered in Studio flows",
    "video/compositions": "can fetch composed video recordings",
    "video/recordings": "can fetch video recordings",
    "video/rooms.recordings": "can fetch video recordings",
    "video/rooms.transcriptions": "can read transcripts of video rooms",
    "voice/calls.recordings": "can fetch recordings of calls",
    "voice/conferences.recordings": "can fetch recordings of conferences",
    "voice/intelligence.operator-results": "can read what was found in call transcripts",
    "voice/intelligence.transcript-media": "can fetch recordings of calls",
    "voice/intelligence.transcript-sentences": "can read transcripts of calls",
    "voice/intelligence.transcripts": "can read transcripts of calls",
    "voice/recordings": "can fetch recordings of calls",
    "voice/recordings.add-ons": "can read what was found in recordings of calls",
    "voice/recordings.add-ons.payload": "can read what was found in recordings of calls",
    "voice/recordings.add-ons.payload.data": "can read what was found in recordings of calls",
    "voice/recordings.transcriptions": "can read transcripts of calls",
    "voice/transcriptions": "can read transcripts of calls",
}

# Creating these is what costs money and reaches people.
COSTLY = {
    ("messaging/messages", "create"): "can send messages to anyone, at the account's cost",
    ("voice/calls", "create"): "can call anyone, at the account's cost",
    ("verify/verification", "create"): "can send verification codes to anyone, at the account's cost",
}

VERBS = {"update": "change", "*": "list, read, create, change and delete"}


def _split(permission: str) -> tuple[str, str, str]:
    """Return product, `product/resource` and action."""
    _, _, product, resource, action = permission.split("/", 4)
    return product, f"{product}/{resource}", action


def risk_of(permission: str) -> Risk:
    """Return the risk of one permission, wildcard or explicit."""
    product, resource, action = _split(permission)
    if product == "iam":
        return Risk.CRITICAL
    if action in ("delete", "*"):
        return Risk.HIGH
    if action in ("read", "list"):
        return Risk.HIGH if resource in CONTENT else Risk.LOW
    return Risk.MEDIUM


def higher_risk(one: str, other: str) -> Risk:
    """Return the higher of two risks, given by their names."""
    return max(Risk(one), Risk(other), key=lambda risk: risk.weight)


def policy_risk(permissions: Iterable[str]) -> Risk:
    """Return the highest risk of any of the permissions; `LOW` for none."""
    return max((risk_of(name) for name in permissions), key=lambda risk: risk.weight, default=Risk.LOW)


def _fixed_sentence(permission: str) -> str | None:
    """Return the sentence for access that a plain verb and noun would understate."""
    product, resource, action = _split(permission)
    if (resource, action) in COSTLY:
        return COSTLY[resource, action]
    if resource == "iam/api-keys" and action in ("create", "*"):
        return "can make new API keys with nearly full access, so it can do everything the account can"
    if product != "iam" and action in ("read", "list"):
        return CONTENT.get(resource)
    return None


def explain(permissions: Iterable[str], known: Catalogue | None = None) -> list[Reason]:
    """Return what the holder can do, one sentence per kind of access, highest risk first.

    `known` gives the words for each resource; the package's catalogue where it is left out.
    """
    by_sentence: dict[tuple[Risk, str], list[str]] = {}
    by_resource: dict[tuple[Risk, str], list[str]] = {}
    for name in permissions:
        fixed = _fixed_sentence(name)
        if fixed:
            by_sentence.setdefault((risk_of(name), fixed), []).append(name)
        else:
            by_resource.setdefault((risk_of(name), _split(name)[1]), []).append(name)
    for (risk, resource), names in by_resource.items():
        by_sentence[risk, _plain_sentence(resource, names, known or catalogue())] = names
    reasons = [Reason(risk, words, tuple(names)) for (risk, words), names in by_sentence.items()]
    return sorted(reasons, key=lambda reason: (-reason.risk.weight, reason.permissions))


def _plain_sentence(resource: str, names: list[str], known: Catalogue) -> str:
    verbs = [VERBS.get(_split(name)[2], _split(name)[2]) for name in names]
    joined = " and ".join(filter(None, [", ".join(verbs[:-1]), verbs[-1]]))
    return f"can {joined} {known.subject(*resource.split('/', 1))}"
