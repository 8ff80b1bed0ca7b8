"""How long to wait before trying again: pauses that grow, spread so that what failed together isn't tried together.

How often mail and webhooks are tried, and how far apart, is here too: `MAX_ATTEMPTS` and `_NOTICES`.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

_ENOUGH = 30
"""After so many attempts a pause grows no more, so that no power overflows."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses in seconds: `first`, then `factor` times the last one, up to `longest`.

    Up to a share `spread` of a pause is added or taken at random.
    """

    first: float
    factor: float
    longest: float
    spread: float = 0.0

    def after(self, attempt: int, chance: Callable[[], float] = random.random) -> float:
        """Return the pause in seconds after a failed attempt, counted from 1. `chance` gives a number from 0 to 1."""
        pause = min(self.first * self.factor ** min(attempt - 1, _ENOUGH), self.longest)
        return pause * (1 + self.spread * (2 * chance() - 1))


MAX_ATTEMPTS = 8
_NOTICES = Backoff(first=60, factor=4, longest=8 * 60 * 60, spread=0.2)


def wait_after(attempt: int) -> timedelta:
    """Return the pause after a notice was not taken. Eight attempts take about 22 hours."""
    return timedelta(seconds=_NOTICES.after(attempt))
