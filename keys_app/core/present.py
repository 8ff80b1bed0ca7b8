"""What the types allow to be missing and a rule says is there."""

from typing import TypeVar

Value = TypeVar("Value")


def present(value: Value | None) -> Value:
    """Return a value that a state, a constraint or a check before guarantees, as the time a revoked key was revoked.

    Raises `TypeError` where it is missing after all.
    """
    if value is None:
        raise TypeError("a value that the rules guarantee is missing")
    return value
