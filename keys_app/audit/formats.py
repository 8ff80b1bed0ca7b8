"""Writes events as CSV and as OCSF, some rows at a time.

Rows are read as plain tuples: an export of a million events is too many for objects.
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from io import StringIO

from django.db import connection
from django.utils.dateparse import parse_datetime

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
_NOT_PLAIN = re.compile(r'[",\t\r\n]|(?:^|\x1f)[=+@-]')

Row = tuple[str | int | None, ...]


def csv_export(search: Search, header: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Write the header as lines that begin with `#`, the column names, and the events, oldest first."""
    yield "".join(f"# {name}: {' '.join(value.split())}\r\n" for name, value in header) + _careful(HEADINGS)
    for rows in _read(search):
        yield "".join([_line(row) for row in rows])


def _line(row: Row) -> str:
    """Return a line of CSV. Nearly all have only two cells that need quotes, which is done without looking at each."""
    sequence, *plain, policy, canonical = row
    text = _BETWEEN.join([cell or "" for cell in plain])  # type: ignore[misc]
    is_json = canonical[:1] == "{" and policy[:1] in ("", "{")  # type: ignore[index]
    if not is_json or _NOT_PLAIN.search(text) or text.count(_BETWEEN) != len(plain) - 1:
        return _careful(row)
    quoted = str(policy).replace('"', '""'), str(canonical).replace('"', '""')
    return f'{sequence},{text.replace(_BETWEEN, ",")},"{quoted[0]}","{quoted[1]}"\r\n'


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
    """Return the columns of these events, oldest first, with the time as ISO 8601 text in UTC."""
    low, high = numbers[0], numbers[-1]
    together = high - low + 1 == len(numbers)
    wanted = {"sequence__range": (low, high)} if together else {"sequence__in": numbers}
    found = AuditEvent.objects.filter(**wanted).order_by("sequence").values_list(*COLUMNS)
    with connection.cursor() as cursor:
        cursor.execute(*found.query.sql_with_params())  # past Django's converters, one call for each cell
        return [(number, _iso(moment), *rest) for number, moment, *rest in cursor.fetchall()]


def _iso(moment: datetime | str) -> str:
    """Return a time as the ledger writes it; SQLite's driver gives text."""
    if isinstance(moment, str):
        if len(moment) == 26:
            return f"{moment[:10]}T{moment[11:]}+00:00"
        moment = (parse_datetime(moment) or datetime.min).replace(tzinfo=UTC)
    return (moment if moment.tzinfo is UTC else moment.astimezone(UTC)).isoformat(timespec="microseconds")
