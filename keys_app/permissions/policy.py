"""A policy: the set of permissions a restricted key carries."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import rfc8785

from keys_app.core.errors import InvalidInput

from .catalogue import Catalogue, catalogue, expand

MAX_PERMISSIONS = 100
"""Twilio's limit per restricted key (Twilio's documentation of the Key resource, v1)."""

PERMISSION_SHAPE = re.compile(r"/twilio/[a-z0-9-]+/[a-z0-9.-]+/(?:[a-z]+|\*)")
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Unknown:
    """A permission that was asked for and does not exist, with the nearest ones that do."""

    name: str
    nearest: tuple[str, ...]

    @property
    def message(self) -> str:
        shown = self.name if len(self.name) <= _SHOWN else self.name[:_SHOWN] + "…"
        if not PERMISSION_SHAPE.fullmatch(self.name):
            reason = f"“{shown}” is not a permission: it must look like /twilio/product/resource/action."
        else:
            reason = f"“{shown}” is not in the catalogue."
        return f"{reason} Nearest: {', '.join(self.nearest)}." if self.nearest else reason


@dataclass(frozen=True, slots=True)
class Difference:
    """What one policy has more and less than another; `kept` counts what both have."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    kept: int


class UnknownPermissions(InvalidInput):
    """Some permissions do not exist. `unknown` lists each with its nearest neighbours."""

    def __init__(self, unknown: tuple[Unknown, ...]) -> None:
        super().__init__("permissions", " ".join(item.message for item in unknown[:10]))
        self.unknown = unknown


def unknown_among(names: Iterable[str], known: Catalogue) -> tuple[Unknown, ...]:
    """Return the names that do not exist, each once; the first ten with their neighbours, which take a search."""
    wrong = [name for name in dict.fromkeys(names) if name not in known]
    return tuple(Unknown(name, tuple(known.nearest(name)) if n < 10 else ()) for n, name in enumerate(wrong))


def permission_names(value: object) -> list[str] | None:
    """Return the names in a policy's `allow`, stored or answered; None if there is anything else in it."""
    if not isinstance(value, list):
        return None
    are_names = all(isinstance(name, str) and PERMISSION_SHAPE.fullmatch(name) for name in value)
    return list(value) if are_names else None


@dataclass(frozen=True, slots=True)
class Policy:
    """An immutable set of explicit permissions, kept sorted. Two policies are equal as sets."""

    allow: tuple[str, ...]

    @classmethod
    def parse(cls, names: Iterable[str], known: Catalogue | None = None) -> "Policy":
        """Make a policy from what a person chose: catalogue names, wildcards allowed and expanded.

        Raises `UnknownPermissions` for names that do not exist, `InvalidInput` for 0 or more than 100.
        """
        known = known or catalogue()
        chosen = list(dict.fromkeys(names))
        unknown = unknown_among(chosen, known)
        if unknown:
            raise UnknownPermissions(unknown)
        policy = cls.of(chosen)
        if not policy.allow:
            raise InvalidInput("permissions", "Choose at least one permission.")
        if len(policy) > MAX_PERMISSIONS:
            raise InvalidInput(
                "permissions",
                f"{len(policy)} permissions are chosen. Twilio allows at most {MAX_PERMISSIONS} for one key.",
            )
        return policy

    @classmethod
    def of(cls, names: Iterable[str]) -> "Policy":
        """Make a policy from names without asking the catalogue: for stored policies and Twilio's answers."""
        return cls(tuple(sorted({explicit for name in names for explicit in expand(name)})))

    @classmethod
    def from_json(cls, text: str) -> "Policy":
        """Read back what `to_json` wrote. Raises `ValueError` for anything else."""
        content = json.loads(text)
        names = permission_names(content["allow"]) if isinstance(content, dict) and set(content) == {"allow"} else None
        if names is None:
            raise ValueError("not a policy")
        return cls.of(names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.allow)

    def __len__(self) -> int:
        return len(self.allow)

    def __contains__(self, name: object) -> bool:
        return name in self.allow

    def since(self, earlier: "Policy") -> Difference:
        """Return what changed from `earlier` to this policy."""
        now, before = set(self.allow), set(earlier.allow)
        return Difference(tuple(sorted(now - before)), tuple(sorted(before - now)), len(now & before))

    def departure(self, approved: "Policy") -> dict[str, object]:
        """Return how this policy differs from the approved one, as events tell it; empty if it does not."""
        change = self.since(approved)
        differs = change.added or change.removed
        return {"added": list(change.added), "removed": list(change.removed)} if differs else {}

    def to_json(self) -> str:
        """Return the canonical form (RFC 8785), which is also what is sent to Twilio."""
        return rfc8785.dumps({"allow": list(self.allow)}).decode()

    def pretty_json(self) -> str:
        """Return the same object, indented for people."""
        return json.dumps({"allow": list(self.allow)}, indent=2)

    def digest(self) -> str:
        """Return the SHA-256 of the canonical form, in hex."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()
