"""Writes events as CSV and as OCSF, some rows at a time.

Rows are read as plain tuples, past the models: an export of a million events is too many for objects.
"""

import csv
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
_DISARMED = r"\1'"
_SIGNS = "=+\\-@\uff1d\uff0b\uff0d\uff20"  # the last four are full-width, and read as the others in some places
_FORMULA = re.compile(rf"(^|\r\n|[;|\t\r\n])(?=\s*[{_SIGNS}])|^(?=[\t\r\n])")
"""Where a cell begins as a formula does, or a part of it that a reader with another separator takes for a cell."""

_FORMULA_UNQUOTED = re.compile(rf"(^|[,;|\t])(?=\s*[{_SIGNS}])")
_MAY_BE_FORMULA = re.compile(rf'[";|\t\r\n]\s*[{_SIGNS}\t\r\n]')
"""Finds the same, and more, in cells joined with their quotes."""

_FORMULA_IN_JSON = re.compile(rf"([;|]\s*)([{_SIGNS}])")


def csv_export(search: Search, header: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Write the header as lines that begin with `#`, the column names, and the events, oldest first."""
    lines = [f"# {name}: {_FORMULA_UNQUOTED.sub(_DISARMED, ' '.join(value.split()))}\r\n" for name, value in header]
    yield "".join(lines) + _careful(HEADINGS)
    columns = ", ".join({**_TEXTS, "time": dialects.time_as_hashed()}.get(name, name) for name in COLUMNS)
    for numbers in chunks(search, size=AT_ONCE):
        yield "".join([_line(*row) for row in _rows(columns, numbers)])


def _line(*row: str) -> str:
    """Return a line of CSV. Nearly all have quotes only in their two cells of JSON, and no formula."""
    *plain, policy, canonical = row
    try:
        cells = '","'.join(plain)
    except TypeError:  # somebody wrote something else than text into the ledger
        return _careful(map(str, row))
    is_json = canonical[:1] == "{" and policy[:1] in ("", "{")
    if not is_json or cells.count('"') != 2 * (len(plain) - 1) or _MAY_BE_FORMULA.search(f'"{cells}'):
        return _careful((*plain, policy, canonical))
    policy, canonical = _disarmed_json(policy), _disarmed_json(canonical)
    return f'''"{cells}","{policy.replace('"', '""')}","{canonical.replace('"', '""')}"\r\n'''


def _careful(row: Iterable[str]) -> str:
    """Return any row as a line of which no reader takes a part for a formula, whatever separator it uses."""
    text = StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow([_disarmed_json(cell) if cell[:1] == "{" else _disarmed(cell) for cell in row])
    return text.getvalue()


def _disarmed(cell: str) -> str:
    """Return a text with an apostrophe before each place where a formula could begin."""
    return _FORMULA.sub(_DISARMED, cell)


def _disarmed_json(cell: str) -> str:
    """Return JSON of the same value in which no formula begins: the sign is written as its number."""
    return _FORMULA_IN_JSON.sub(lambda found: f"{found[1]}\\u{ord(found[2]):04x}", cell)


def ocsf_export(search: Search) -> Iterator[str]:
    """Write each event as a line of OCSF, oldest first."""
    for numbers in chunks(search, size=AT_ONCE):
        yield "".join([f"{_mapped(*row)}\n" for row in events_of(numbers)])


def _mapped(sequence: int, canonical: str) -> str:
    try:
        return ocsf.line(canonical)
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
