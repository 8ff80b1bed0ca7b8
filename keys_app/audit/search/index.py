"""Enters events into the table of terms that searches find them by."""

import json
from collections.abc import Iterator
from typing import Any

from django.db import connection

from .. import triggers
from .tokens import terms_of

TABLE = "audit_eventterm"
_EVENTS = "audit_auditevent"
_AT_ONCE = 2000


def enter(sequence: int, terms: list[str]) -> None:
    """Enter an event under its terms, as one statement: there may be a hundred.

    What a damaged ledger left behind under this number is no reason to stop.
    """
    marks = ",".join(["(%s,%s)"] * len(terms))
    values = [value for term in terms for value in (term, sequence)]
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {TABLE} (term, sequence) VALUES {marks} ON CONFLICT DO NOTHING", values)


def rebuild(here: Any) -> None:
    """Make every entry anew from the events, in the caller's transaction. Needs the rights of the table's owner."""
    protection = triggers.drop(here, TABLE)
    with here.cursor() as cursor:
        cursor.execute(f"DELETE FROM {TABLE}")
    _enter_all(here)
    triggers.create(here, protection)


def _enter_all(here: Any) -> None:
    with here.cursor() as cursor:
        for rows in _rows(here):
            cursor.executemany(f"INSERT INTO {TABLE} (term, sequence) VALUES (%s, %s)", rows)


def _rows(here: Any) -> Iterator[list[tuple[str, int]]]:
    """Return (term, sequence) of every event, some events at a time."""
    statement = f"SELECT sequence, canonical FROM {_EVENTS} WHERE sequence > %s ORDER BY sequence LIMIT {_AT_ONCE}"
    last = 0
    while True:
        with here.cursor() as cursor:
            cursor.execute(statement, [last])
            events = cursor.fetchall()
        if not events:
            return
        last = events[-1][0]
        yield [(term, sequence) for sequence, text in events for term in terms_of(json.loads(text))]
