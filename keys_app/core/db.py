"""Locks, changes of which one wins, and which database is in use.

SQLite locks the whole file at the first statement of a transaction instead of a row.
"""

from collections.abc import Iterator
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Model, Q, QuerySet

Row = TypeVar("Row", bound=Model)
Piece = TypeVar("Piece")

BATCH = 1000
"""How many rows `in_batches` reads at once."""


def lock_row(model: type[Row], pk: object, *related: str) -> Row:
    """Return a row as it is now, locked until the transaction ends, with the `related` rows. Raises `DoesNotExist`.

    PostgreSQL locks first: after a wait it would have the related rows as they were before it.
    """
    rows: QuerySet[Row] = model._base_manager.all()
    if not related:
        return locked(rows).get(pk=pk)
    if _is_postgresql():
        list(locked(rows.filter(pk=pk)).values_list("pk"))
    return rows.select_related(*related).get(pk=pk)


def locked(rows: QuerySet[Row]) -> QuerySet[Row]:
    """Return rows that are locked, until the transaction ends, when they are read.

    Not their keys: rows that refer to them can be added meanwhile, as an event's are while the ledger is locked.
    """
    return rows.select_for_update(no_key=True)


def in_batches(rows: QuerySet[Row], *columns: str) -> Iterator[tuple[Any, ...]]:
    """Return some columns of all rows, in the order of their primary keys, a batch in memory at a time.

    Not by `iterator()`, whose cursor on PostgreSQL is lost where PgBouncer gives each transaction another connection.
    """
    rows = rows.order_by("pk")
    batch = list(rows.values_list("pk", *columns)[:BATCH])
    while batch:
        yield from (row[1:] for row in batch)
        more = rows.filter(pk__gt=batch[-1][0]) if len(batch) == BATCH else rows.none()
        batch = list(more.values_list("pk", *columns)[:BATCH])


def compare_and_swap(row: Model, still: Q, **values: Any) -> bool:
    """Change a stored row if `still` holds for it; tell whether it did. `row` itself keeps what was read.

    Lock the row first where `still` asks another table: PostgreSQL looks at that again for no one who had to wait.
    """
    return bool(type(row)._base_manager.filter(still, pk=row.pk).update(**values))


def for_database(*, sqlite: Piece, postgresql: Piece) -> Piece:
    """Return what fits the database in use: a piece of SQL, or a function that makes one."""
    return postgresql if _is_postgresql() else sqlite


def wait_for_turn(number: int) -> None:
    """Let one transaction at a time go on from here, until it ends. SQLite's immediate transactions already do."""
    if _is_postgresql():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])


def read_in_turn(number: int, rows: QuerySet[Any]) -> list[tuple[Any, ...]]:
    """Wait as `wait_for_turn` does, then read some columns: on PostgreSQL one round trip, and rows as they are then.

    `rows` is by `values_list`, of columns that the database's driver gives as Python has them.
    """
    if not _is_postgresql():
        return list(rows.all())
    sql, params = rows.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_advisory_xact_lock(%s); {sql}", [number, *params])
        cursor.nextset()
        return list(cursor.fetchall())


def is_read_only() -> bool:
    """Tell whether the server takes no changes, as a standby does. A file that can't be written to says so itself."""
    if not _is_postgresql():
        return False
    with connection.cursor() as cursor:
        cursor.execute("SHOW transaction_read_only")
        return bool(cursor.fetchone() == ("on",))


def _is_postgresql() -> bool:
    return connection.vendor == "postgresql"
