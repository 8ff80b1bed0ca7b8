"""Counts of repeated events lose nothing, whoever counts and sums up at the same time."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from keys_app.audit import throttle
from keys_app.audit.ledger import matching
from keys_app.audit.models import Repeat
from keys_app.core.actor import Actor

TURN = datetime(2026, 11, 27, 12, tzinfo=UTC)
SOMEONE = Actor(None, "someone")


def noted():
    """Return how many times the ledger has it: each event that is no sum, and of each sum all but the first."""
    times = [event.details.get("times") for event in matching(action="test.tried")]
    return sum(1 if one is None else one - 1 for one in times)


@pytest.mark.parametrize("looks", range(6))
def test_it_counts_at_the_turn_of_the_hour(db, monkeypatch, looks):
    """Whichever look at the clock is the first after the turn."""
    clock = iter([TURN - timedelta(milliseconds=1)] * looks)
    monkeypatch.setattr(timezone, "now", lambda: next(clock, TURN))
    throttle.note("test.tried", SOMEONE)
    throttle.note("test.tried", SOMEONE)
    monkeypatch.setattr(timezone, "now", lambda: TURN + timedelta(hours=2))
    throttle.sum_up()
    assert noted() == 2
    assert not Repeat.objects.exists()


def test_it_counts_in_an_hour_that_was_summed_up_meanwhile(transactional_db, monkeypatch):
    hour = TURN - timedelta(hours=1)
    monkeypatch.setattr(throttle, "_this_hour", lambda: hour)
    throttle.note("test.tried", SOMEONE)

    def late():
        """Return the hour that is over, and let it be summed up right after."""
        monkeypatch.setattr(throttle, "_this_hour", lambda: TURN)
        throttle.sum_up()
        return hour

    for _ in range(2):
        monkeypatch.setattr(throttle, "_this_hour", late)
        throttle.note("test.tried", SOMEONE)
    throttle.sum_up()
    assert noted() == 3
    assert not Repeat.objects.exists()


@pytest.mark.parametrize("round_", range(3))
def test_it_counts_while_two_processes_sum_up(transactional_db, monkeypatch, round_):
    """Each count is for an hour that is over, so it may be summed up at any moment."""
    counters, each, stop = 4, 12, threading.Event()
    monkeypatch.setattr(
        throttle,
        "_this_hour",
        lambda: TURN - timedelta(hours=1) if threading.current_thread().name.startswith("counter") else TURN,
    )

    def count(_):
        try:
            for _ in range(each):
                throttle.note("test.tried", SOMEONE)
        finally:
            connection.close()

    def sum_up(_):
        try:
            while not stop.is_set():
                throttle.sum_up()
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as summing, ThreadPoolExecutor(counters, "counter") as counting:
        sums = [summing.submit(sum_up, number) for number in range(2)]
        try:
            list(counting.map(count, range(counters)))
        finally:
            stop.set()
        for one in sums:
            one.result()
    throttle.sum_up()
    assert noted() == counters * each
    assert not Repeat.objects.exists()
