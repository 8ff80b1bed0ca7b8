"""Reasons users give. Every service that takes one holds the rule with these, whoever calls it."""

from ..domain.errors import InvalidInput
from ..domain.request_rules import optional_reason_problem, reason_problem


def require_reason(reason: str, *, field: str = "reason") -> None:
    """Raise `InvalidInput` for `field` unless there is a reason, and one that can be kept."""
    if problem := reason_problem(reason):
        raise InvalidInput(field, problem)


def check_reason(reason: str, *, field: str = "reason") -> None:
    """Raise `InvalidInput` for `field` if a reason that need not be given cannot be kept."""
    if problem := optional_reason_problem(reason, field):
        raise InvalidInput(field, problem)
