"""Trying again later: which failures, how long, and never more than there is patience for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys_app.twilio_iam.errors import NotProcessed, OutcomeUnknown, Rejected
from keys_app.twilio_iam.retry import Patience

BUSY = NotProcessed("busy", retry_after=None, code=20429)
DOWN = OutcomeUnknown("down", status=503)


def attempt(failures, **options):
    """Call with these failures in turn, then success; return the result or error, and the pauses."""
    pauses: list[float] = []
    ahead = iter(failures)

    def send():
        error = next(ahead, None)
        if error is not None:
            raise error
        return "done"

    patience = Patience(**{"wait": pauses.append, "left": 100.0, "spread": lambda: 0.5, **options})
    try:
        return patience.call(send), pauses
    except (NotProcessed, OutcomeUnknown, Rejected) as error:
        return error, pauses


@pytest.mark.parametrize("error", [BUSY, DOWN])
def test_it_waits_twice_as_long_each_time(error):
    assert attempt([error] * 3) == ("done", [0.5, 1.0, 2.0])
    assert attempt([error] * 4) == (error, [0.5, 1.0, 2.0])


@pytest.mark.parametrize("error", [OutcomeUnknown("no answer in time"), OutcomeUnknown("moved", status=307)])
def test_it_does_not_repeat_what_would_take_as_long_again(error):
    assert attempt([error]) == (error, [])


def test_it_does_not_repeat_a_no():
    error = Rejected(401, 20003, "Authenticate")
    assert attempt([error]) == (error, [])


def test_it_waits_as_long_as_twilio_asks_or_not_at_all():
    asks = NotProcessed("busy", retry_after=20.0)
    assert attempt([asks]) == ("done", [20.0])
    assert attempt([asks], left=19.0) == (asks, [])
    assert attempt([OutcomeUnknown("down", status=503, retry_after=7.0)]) == ("done", [7.0])


@given(
    waits=st.lists(st.floats(0, 50), max_size=12),
    left=st.floats(0, 60),
    spread=st.floats(0, 1),
    tries=st.integers(1, 6),
)
def test_it_never_waits_longer_in_all_than_it_may(waits, left, spread, tries):
    pauses: list[float] = []
    patience = Patience(wait=pauses.append, left=left, tries=tries, spread=lambda: spread)
    for wait in waits:

        def send(wait=wait):
            raise NotProcessed("busy", retry_after=wait)

        with pytest.raises(NotProcessed):
            patience.call(send)
    assert sum(pauses) <= left + 1e-6
    assert len(pauses) <= len(waits) * (tries - 1)
