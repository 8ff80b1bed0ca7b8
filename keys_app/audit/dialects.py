"""The SQL in which the ledger is read that SQLite and PostgreSQL write each in their own way."""

import json
from typing import Any

from keys_app.core.db import for_database

_MICROSECONDS = """to_char(time AT TIME ZONE 'UTC', 'YYYY-MM-DD{}HH24:MI:SS.US"+00:00"')"""


def time_as_hashed() -> str:
    """Return an expression for an event's time as its canonical JSON has it. Its clock is UTC."""
    return for_database(  # SQLite leaves out a fraction of zero
        sqlite="""substr(time, 1, 10) || 'T' || substr(time, 12)
                  || CASE length(time) WHEN 19 THEN '.000000+00:00' ELSE '+00:00' END""",
        postgresql=_MICROSECONDS.format('"T"'),
    )


def time_as_stored() -> str:
    """Return an expression for an event's time that hides nothing of what is stored: it may have been tampered with."""
    return for_database(sqlite="time || '+00:00'", postgresql=_MICROSECONDS.format(" "))


def among(numbers: list[int]) -> tuple[str, list[Any]]:
    """Return a condition and its value. The list goes along as one value: two thousand take long to read in SQL."""
    listed: list[Any] = [numbers]
    return for_database(
        sqlite=("IN (SELECT value FROM json_each(%s))", [json.dumps(numbers)]),
        postgresql=("= ANY(%s::bigint[])", listed),
    )


def given_pairs(pairs: list[tuple[str, int]]) -> tuple[str, tuple[Any, ...]]:
    """Return a table of pairs (term, sequence) for a FROM clause, and its values."""
    texts, numbers = [text for text, _ in pairs], [number for _, number in pairs]
    return for_database(
        sqlite=(
            "(SELECT value ->> 0 AS term, value ->> 1 AS sequence FROM json_each(%s)) AS given",
            (json.dumps(pairs),),
        ),
        postgresql=("unnest(%s::text[], %s::bigint[]) AS given(term, sequence)", (texts, numbers)),
    )
