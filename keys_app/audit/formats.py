"""Writes events as CSV and as OCSF, some rows at a time.

Rows are read as plain tuples: an export of a million events is too many for objects.
"""

import csv
import json
from collections.abc import Iterable, Iterator
from io import StringIO

from django.db import connection
from django.db.models import TextField
from django.db.models.functions import Cast

from . import ocsf
from .models import AuditEvent
from .searching import Search, chunks

AT_ONCE = 2000
COLUMNS = (
    "sequence", "time", "action", "actor_name", "actor_id", "address", "account_sid", "key_sid", "request_id", "team",
    "risk", "reason", "policy", "canonical",
)  # fmt: skip
HEADINGS = (*COLUMNS[:-1], "event")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_BETWEEN = "\x1f"
# What keeps a row from being written without looking at each cell: quotes, or a cell that begins like a formula.
_NOT_PLAIN = ('"', ",", "\n", "\r", "\t", *(_BETWEEN + start for start in "=+-@"))

Row = tuple[str | int | None, ...]


def csv_export(search: Search, header: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Write the header as lines that begin with `#`, the column names, and the events, oldest first."""
    yield "".join(f"# {name}: {' '.join(value.split())}\r\n" for name, value in header) + _careful(HEADINGS)
    for rows in _read(search):
        yield "".join([_line(row) for row in rows])


def _line(row: Row) -> str:
    """Return a line of CSV. Nearly all have only two cells that need quotes, which is done without looking at each."""
    sequence, time, *plain, policy, canonical = row
    text = _BETWEEN + _BETWEEN.join([cell or "" for cell in plain])  # type: ignore[misc]
    is_json = canonical[:1] == "{" and policy[:1] in ("", "{")  # type: ignore[index]
    if not is_json or text.count(_BETWEEN) != len(plain) or any([mark in text for mark in _NOT_PLAIN]):
        return _careful([sequence, _iso(str(time)), *plain, policy, canonical])
    quoted = str(policy).replace('"', '""'), str(canonical).replace('"', '""')
    return f'{sequence},{_iso(time)}{text.replace(_BETWEEN, ",")},"{quoted[0]}","{quoted[1]}"\r\n'  # type: ignore[arg-type]


def _careful(row: Iterable[object]) -> str:
    """Return any row as a line that no spreadsheet takes for a formula: such a cell gets an apostrophe in front."""
    text = StringIO(newline="")
    csv.writer(text).writerow([f"'{c}" if isinstance(c, str) and c.startswith(_FORMULA) else c for c in row])
    return text.getvalue()


def ocsf_export(search: Search) -> Iterator[str]:
    """Write each event as a line of OCSF, oldest first."""
    for rows in _read(search):
        yield "".join(json.dumps(_mapped(row), ensure_ascii=False) + "\n" for row in rows)


def _mapped(row: Row) -> dict[str, object]:
    try:
        return ocsf.event(str(row[-1]))
    except (ValueError, KeyError, TypeError):  # somebody wrote nonsense into the ledger: that is not left out
        return ocsf.unreadable(int(row[0] or 0), str(row[-1]))


def event_line(sequence: int, canonical: str) -> str:
    """Return an event's line: `canonical` as it was hashed, and its index from 0."""
    return f'{{"event":{canonical},"index":{sequence - 1}}}'


def _read(search: Search) -> Iterator[list[Row]]:
    for numbers in chunks(search, size=AT_ONCE):
        yield rows_of(numbers)


def rows_of(numbers: list[int]) -> list[Row]:
    """Return the columns of these events, oldest first, with the time as the database's text."""
    low, high = numbers[0], numbers[-1]
    together = high - low + 1 == len(numbers)
    wanted = {"sequence__range": (low, high)} if together else {"sequence__in": numbers}
    columns = [Cast("time", TextField()) if name == "time" else name for name in COLUMNS]
    found = AuditEvent.objects.filter(**wanted).order_by("sequence").values_list(*columns)
    with connection.cursor() as cursor:
        cursor.execute(*found.query.sql_with_params())  # past Django's converters, one call for each cell
        return cursor.fetchall()


def _iso(text: str) -> str:
    """Return a time as the ledger writes it, from the text of either database, whose clock is UTC."""
    clock, _, fraction = text[11:].removesuffix("+00").partition(".")
    return f"{text[:10]}T{clock}.{fraction:0<6}+00:00"
