"""How long to wait before trying again to deliver something."""

import random
from datetime import timedelta

MAX_ATTEMPTS = 8
_FIRST = timedelta(minutes=1)
_LONGEST = timedelta(hours=8)


def wait_after(attempt: int) -> timedelta:
    """Return the pause after a failed attempt, counted from 1: four times the last one, up to eight hours.

    Up to a fifth is added or taken at random, so that what failed together is not tried together. Eight
    attempts take about 22 hours.
    """
    pause: timedelta = min(_FIRST * 4 ** min(attempt - 1, 10), _LONGEST)
    return pause * random.uniform(0.8, 1.2)  # noqa: S311 spreads load, guards nothing
