"""Writes events as CSV and as OCSF, some rows at a time.

Rows are read as plain tuples, past the models: an export of a million events is too many for objects.
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator
from io import StringIO
from typing import Any

from django.db import connection

from keys_app.audit import dialects
from keys_app.audit.search.engine import Search, chunks

from . import ocsf

AT_ONCE = 2000
COLUMNS = (
    "sequence", "time", "action", "actor_name", "actor_id", "address", "account_sid", "key_sid", "request_id", "team",
    "risk", "reason", "policy", "canonical",
)  # fmt: skip
HEADINGS = (*COLUMNS[:-1], "event")
_TEXTS = {"sequence": "CAST(sequence AS text)", "team": "coalesce(team, '')", "risk": "coalesce(risk, '')"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_FORMULA_CELL = re.compile(f'"[{re.escape("".join(_FORMULA))}]')


def csv_export(search: Search, header: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Write the header as lines that begin with `#`, the column names, and the events, oldest first."""
    yield "".join(f"# {name}: {' '.join(value.split())}\r\n" for name, value in header) + _careful(HEADINGS)
    columns = ", ".join({**_TEXTS, "time": dialects.time_as_hashed()}.get(name, name) for name in COLUMNS)
    for numbers in chunks(search, size=AT_ONCE):
        yield "".join([_line(*row) for row in _rows(columns, numbers)])


def _line(*row: str) -> str:
    """Return a line of CSV. Nearly all have quotes only in their two cells of JSON, and no cell is a formula."""
    *plain, policy, canonical = row
    try:
        cells = '","'.join(plain)
    except TypeError:  # somebody wrote something else than text into the ledger
        return _careful(map(str, row))
    is_json = canonical[:1] == "{" and policy[:1] in ("", "{")
    if not is_json or cells.count('"') != 2 * (len(plain) - 1) or _FORMULA_CELL.search(cells):
        return _careful(row)
    return f'''"{cells}","{policy.replace('"', '""')}","{canonical.replace('"', '""')}"\r\n'''


def _careful(row: Iterable[str]) -> str:
    """Return any row as a line that no spreadsheet takes for a formula: such a cell gets an apostrophe in front."""
    text = StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in row])
    return text.getvalue()


def ocsf_export(search: Search) -> Iterator[str]:
    """Write each event as a line of OCSF, oldest first."""
    for numbers in chunks(search, size=AT_ONCE):
        yield "".join(json.dumps(_mapped(*row), ensure_ascii=False) + "\n" for row in events_of(numbers))


def _mapped(sequence: int, canonical: str) -> dict[str, object]:
    try:
        return ocsf.event(canonical)
    except (ValueError, KeyError, TypeError):  # somebody wrote nonsense into the ledger: that is not left out
        return ocsf.unreadable(sequence, canonical)


def event_line(sequence: int, canonical: str) -> str:
    """Return an event's line: `canonical` as it was hashed, and its index from 0."""
    return f'{{"event":{canonical},"index":{sequence - 1}}}'


def events_of(numbers: list[int]) -> list[tuple[int, str]]:
    """Return number and canonical JSON of these events, oldest first."""
    return _rows("sequence, canonical", numbers)


def _rows(columns: str, numbers: list[int]) -> list[tuple[Any, ...]]:
    """Return some columns of these events, in order of their numbers."""
    if not numbers:
        return []
    these, values = _range_or_list(numbers)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {columns} FROM audit_auditevent WHERE sequence {these} "  # noqa: S608 - constants and placeholders
            "ORDER BY audit_auditevent.sequence",  # not a column of the result that is called so and is text
            values,
        )
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def _range_or_list(numbers: list[int]) -> tuple[str, list[Any]]:
    """Return a condition and its values."""
    first, last = numbers[0], numbers[-1]
    if last - first + 1 == len(numbers):
        return "BETWEEN %s AND %s", [first, last]
    return dialects.among(numbers)
