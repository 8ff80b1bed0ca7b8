"""Reasons users give. Every service that takes one holds the rule with these, whoever calls it."""

from ..domain.errors import InvalidInput
from ..domain.request_rules import optional_reason_problem, reason_problem


def require_reason(reason: str, *, field: str = "reason") -> None:
    """Raise `InvalidInput` for `field` unless there is a reason, and one that can be kept."""
    _refuse(field, reason_problem(reason))


def check_reason(reason: str, *, field: str = "reason") -> None:
    """Raise `InvalidInput` for `field` if a reason that need not be given cannot be kept."""
    _refuse(field, optional_reason_problem(reason, field))


def _refuse(field: str, problem: str) -> None:
    if problem:
        raise InvalidInput(field, problem)
