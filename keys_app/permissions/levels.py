"""Levels: one choice per resource instead of five ticks, and back."""

from collections.abc import Collection
from enum import StrEnum

from .catalogue import WILDCARD, Resource


class Level(StrEnum):
    """How much a key may do with one resource. `CUSTOM` is any set that no other level stands for."""

    NONE = "none"
    READ = "read"
    WRITE = "write"
    ALL = "all"
    CUSTOM = "custom"


_ACTIONS = {
    Level.NONE: frozenset[str](),
    Level.READ: frozenset({"list", "read"}),
    Level.WRITE: frozenset({"list", "read", "create", "update"}),
    Level.ALL: frozenset({"list", "read", "create", "update", "delete"}),
}


def permissions_at(resource: Resource, level: Level) -> tuple[str, ...]:
    """Return the explicit permissions `level` stands for, in the resource's order; never a wildcard.

    Only what exists: on a resource without `list`, `READ` is `read` alone. Raises `ValueError` for `CUSTOM`,
    which stands for no set of its own.
    """
    if level not in _ACTIONS:
        raise ValueError("a custom level stands for no set of permissions")
    return tuple(item.name for item in resource.permissions if item.action in _ACTIONS[level])


def level_of(resource: Resource, chosen: Collection[str]) -> Level:
    """Return the least level that stands for exactly what `chosen` holds of this resource, or `CUSTOM`.

    `chosen` may hold permissions of other resources, which do not count, and this resource's wildcard.
    """
    whole = any(item.action == WILDCARD and item.name in chosen for item in resource.permissions)
    ours = {item.name for item in resource.permissions if item.action != WILDCARD and (whole or item.name in chosen)}
    return next((level for level in _ACTIONS if ours == set(permissions_at(resource, level))), Level.CUSTOM)


def available_levels(resource: Resource) -> tuple[Level, ...]:
    """Return the levels worth offering: the least of those that stand for the same set, `NONE` first."""
    return tuple(level for level in _ACTIONS if level_of(resource, permissions_at(resource, level)) is level)
