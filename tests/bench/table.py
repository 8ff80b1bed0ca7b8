"""Writes rows in bulk, past Django's models and the database's triggers: for measuring with many."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from operator import attrgetter
from typing import Any

from django.db import connection, transaction
from django.db.models import DateTimeField, Field, ForeignKey, JSONField, Max, Model, UUIDField

from keys_app.audit import triggers

AT_ONCE = 5_000
GUARDED = ("keys_app_keyrequest", "keys_app_approval", "keys_app_narrowing", "auth_user")
"""The tables whose triggers look at each row."""


@contextmanager
def triggers_off() -> Iterator[None]:
    """Take the triggers of the portal's tables off, and put the same ones on again, in one transaction."""
    with transaction.atomic():
        taken_off = triggers.drop(connection, *GUARDED)
        yield
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # or no trigger can be made on these tables
        triggers.create(connection, taken_off)


class Table:
    """Rows of a model that are to be written: each is a mapping of columns, the others have their defaults."""

    def __init__(self, model: type[Model]) -> None:
        self.model = model
        self.fields: list[Field[Any, Any]] = list(model._meta.concrete_fields)
        key = model._meta.pk
        self.is_numbered = key.get_internal_type() in ("AutoField", "BigAutoField")
        self.next = (model._base_manager.aggregate(last=Max("pk"))["last"] or 0) + 1 if self.is_numbered else 0
        vendor = connection.vendor
        self.columns = [(field.attname, field.get_default(), _written(field, vendor)) for field in self.fields]
        self.rows: list[Mapping[str, Any]] = []

    def add(self, **values: Any) -> Any:
        """Keep a row for `write`, and return its number."""
        if self.is_numbered:
            values["id"], self.next = self.next, self.next + 1
        self.rows.append(values)
        return values.get("id")

    def write(self) -> None:
        """Write what was added."""
        columns = ", ".join(f'"{field.column}"' for field in self.fields)
        _write[connection.vendor](f"{self.model._meta.db_table} ({columns})", map(self._values, self.rows))
        self.rows = []
        if self.is_numbered and connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                table, last = self.model._meta.db_table, self.next - 1
                cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), %s)", [max(last, 1)])

    def _values(self, row: Mapping[str, Any]) -> list[Any]:
        return [
            one if as_stored is None or one is None else as_stored(one)
            for name, default, as_stored in self.columns
            for one in (row.get(name, default),)
        ]


def _written(field: "Field[Any, Any]", vendor: str) -> Callable[[Any], Any] | None:
    """Return what makes of a value what the database stores; None where it is the value itself."""
    field = field.target_field if isinstance(field, ForeignKey) else field
    if isinstance(field, JSONField):
        return json.dumps
    if vendor == "postgresql":
        return None
    if isinstance(field, DateTimeField):
        return lambda at: at.replace(tzinfo=None).isoformat(" ", "microseconds")  # it is in UTC
    return attrgetter("hex") if isinstance(field, UUIDField) else None


def _into_sqlite(into: str, rows: Iterable[list[Any]]) -> None:
    marks, rows = ", ".join("?" * (into.count(",") + 1)), iter(rows)
    while some := list(islice(rows, AT_ONCE)):
        connection.connection.executemany(f"INSERT INTO {into} VALUES ({marks})", some)


def _into_postgresql(into: str, rows: Iterable[list[Any]]) -> None:
    with connection.cursor() as cursor, cursor.copy(f"COPY {into} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


_write = {"sqlite": _into_sqlite, "postgresql": _into_postgresql}
