"""Trying again later what does no harm when it is sent twice."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from keys_app.core.retry import Backoff

from .errors import NotProcessed, OutcomeUnknown

Result = TypeVar("Result")
_PAUSES = Backoff(first=0.5, factor=2, longest=60, spread=0.5)


@dataclass
class Patience:
    """How long one may wait for Twilio altogether, and how.

    `wait` gets the seconds of each pause; `left` is how many are left in all, `tries` how often one call is
    made at most. The pauses double from half a second, with up to half added or taken at random by `spread`
    (0 to 1), so that several processes do not come back at once. A longer wait that Twilio asks for is kept.
    """

    wait: Callable[[float], object]
    left: float
    tries: int = 4
    spread: Callable[[], float] = random.random

    def call(self, send: Callable[[], Result]) -> Result:
        """Call `send` again while Twilio is busy or answers 5xx, and there is patience left."""
        for tried in range(1, self.tries):
            try:
                return send()
            except (NotProcessed, OutcomeUnknown) as error:
                pause = self._pause(error, tried)
                if pause is None or pause > self.left:
                    raise
            self.left -= pause
            self.wait(pause)
        return send()

    def _pause(self, error: NotProcessed | OutcomeUnknown, tried: int) -> float | None:
        """Return the seconds to wait, or None where another try would cost more than it is worth.

        That is after a timeout, or an answer that could not be understood.
        """
        if isinstance(error, OutcomeUnknown) and not 500 <= (error.status or 0) < 600:
            return None
        return max(_PAUSES.after(tried, self.spread), error.retry_after or 0.0)
