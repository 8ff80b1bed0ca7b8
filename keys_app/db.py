"""Locks, and changes of which one wins. SQLite locks the whole file at a transaction's first statement instead."""

from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet

Row = TypeVar("Row", bound=Model)


def lock_row(model: type[Row], pk: object) -> Row:
    """Return a row as it is now, locked until the transaction ends. Raises `DoesNotExist`."""
    return locked(model._base_manager.all()).get(pk=pk)


def locked(rows: QuerySet[Row]) -> QuerySet[Row]:
    """Return rows that are locked, until the transaction ends, when they are read.

    Not their keys: rows that refer to them can be added meanwhile, as an event's are while the ledger is locked.
    """
    return rows.select_for_update(no_key=True)


def compare_and_swap(row: Model, still: Q, **values: Any) -> bool:
    """Change a stored row if `still` holds for it; tell whether it did. `row` itself keeps what was read."""
    return bool(type(row)._base_manager.filter(still, pk=row.pk).update(**values))
