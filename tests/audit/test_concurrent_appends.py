"""Many appends at once leave no gap and lose nothing."""

import json
from concurrent.futures import ThreadPoolExecutor

from django.db import connection, transaction

from keys_app.audit.ledger import Entry, append, matching

THREADS, EACH = 8, 25


def append_some(thread):
    """Append from a connection of its own."""
    try:
        for number in range(EACH):
            with transaction.atomic():
                append(Entry("test.event", f"thread {thread}", reason=str(number)))
    finally:
        connection.close()


def append_and_give_up(thread):
    try:
        for _ in range(EACH // 5):
            try:
                with transaction.atomic():
                    append(Entry("test.given_up", f"thread {thread}"))
                    raise ZeroDivisionError
            except ZeroDivisionError:
                continue
    finally:
        connection.close()


def test_concurrent_appends_are_numbered_without_gap_or_loss(transactional_db):
    with ThreadPoolExecutor(THREADS + 2) as pool:
        given_up = [pool.submit(append_and_give_up, thread) for thread in range(2)]
        appended = [pool.submit(append_some, thread) for thread in range(THREADS)]
        for future in [*given_up, *appended]:
            future.result()
    events = list(matching().order_by("sequence"))
    assert [event.sequence for event in events] == list(range(1, THREADS * EACH + 1))
    assert {event.action for event in events} == {"test.event"}
    for thread in range(THREADS):
        mine = [event.reason for event in events if event.actor_name == f"thread {thread}"]
        assert mine == [str(number) for number in range(EACH)]
    assert [json.loads(event.canonical)["sequence"] for event in events] == [e.sequence for e in events]
    assert [event.time for event in events] == sorted(event.time for event in events)
