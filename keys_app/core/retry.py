"""How long to wait before trying again: pauses that grow, spread so that what failed together isn't tried together."""

import random
from collections.abc import Callable
from dataclasses import dataclass

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
