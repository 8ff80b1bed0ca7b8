"""Reasons people give for what cannot be taken back."""

from ..domain.errors import InvalidInput

MAX_REASON = 2000


def require_reason(reason: str) -> None:
    """Hold the form's rule for callers that are not the form. Raises `InvalidInput`."""
    if not reason.strip() or len(reason) > MAX_REASON:
        raise InvalidInput("reason", f"Give a reason of 1 to {MAX_REASON} characters.")
