"""Paging by what the last row shown holds, both ways: no row is left out or repeated when others come in between."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote

from django.core.exceptions import ValidationError
from django.db.models import Expression, F, Field, Model, OrderBy, Q, QuerySet
from django.http import Http404

from keys_app.core.times import rfc3339

_END = "~"  # behind each part of a cursor but the last
_GREATEST = 2**63 - 1
_NOTHING = "-"  # what stands for NULL in a cursor; a text of this one letter is escaped


@dataclass(frozen=True, slots=True)
class SortKey:
    """One thing a list is sorted by. Where it may be NULL, such rows come last, in either direction."""

    by: Expression | F
    descending: bool = False
    nullable: bool = False

    def order(self, name: str, backwards: bool) -> OrderBy:
        ordered = F(name).desc if self.descending is not backwards else F(name).asc
        if not self.nullable:
            return ordered()
        return ordered(nulls_first=True) if backwards else ordered(nulls_last=True)


def key(name: str, *, nullable: bool = False) -> SortKey:
    """Return the key for a column, as `order_by` takes it: with a minus for the greatest first."""
    return SortKey(F(name.removeprefix("-")), descending=name.startswith("-"), nullable=nullable)


@dataclass(frozen=True, slots=True)
class Sort:
    """An order with a name: `name` in the address, `label` on the page. The last key must be unique.

    All keys but a nullable one go in one direction, so that an index over them in this order serves the list forwards
    and backwards. `back` and `on` are the words of the links to the pages before and after.
    """

    name: str
    label: str
    keys: tuple[SortKey, ...]
    back: str = "Previous"
    on: str = "Next"

    def columns(self) -> dict[str, Expression | F]:
        """Return what each row is annotated with, so that the database itself says where it stands."""
        return {_name(number): one.by for number, one in enumerate(self.keys)}

    def ordered(self, rows: QuerySet[Any], *, backwards: bool = False) -> QuerySet[Any]:
        """Return rows in this order, with what it compares."""
        orders = [one.order(_name(number), backwards) for number, one in enumerate(self.keys)]
        ordered: QuerySet[Any] = rows.annotate(**self.columns()).order_by(*orders)
        return ordered

    def cursor(self, row: Model) -> str:
        """Return the place of one of the rows of `ordered`, for an address."""
        return _END.join(_written(getattr(row, _name(number))) for number in range(len(self.keys)))

    def beyond(self, rows: QuerySet[Any], cursor: str, *, backwards: bool = False) -> QuerySet[Any]:
        """Return the rows of `ordered` after a place, or before it. Raises `Http404` for what is no place."""
        parts = cursor.split(_END)
        kinds = [rows.query.annotations[_name(number)].output_field for number in range(len(self.keys))]
        try:
            place = [_read(*one) for one in zip(parts, self.keys, kinds, strict=True)]
        except (ValueError, ValidationError, OverflowError) as error:
            raise Http404("no such page") from error
        return rows.filter(_beyond(self.keys, place, backwards))


def page_of(rows: QuerySet[Any], sort: Sort, size: int, *, after: str = "", before: str = "") -> "Piece":
    """Return a page of rows: the first one, or the one after or before a place. One query, or two at the beginning."""
    if before and not after:
        found = list(sort.beyond(sort.ordered(rows, backwards=True), before, backwards=True)[: size + 1])
        if len(found) > size:
            return Piece(found[size - 1 :: -1], has_previous=True, has_next=True)
        if len(found) == size:
            return Piece(found[::-1], has_previous=False, has_next=True)
        after = ""  # less than a page before it: new rows came in, or some are gone. The first page has them all
    ordered = sort.ordered(rows)
    found = list((sort.beyond(ordered, after) if after else ordered)[: size + 1])
    return Piece(found[:size], has_previous=bool(after), has_next=len(found) > size)


@dataclass(frozen=True, slots=True)
class Piece:
    """The rows of a page, and whether there are pages beside it."""

    rows: list[Any]
    has_previous: bool
    has_next: bool


def _name(number: int) -> str:
    return f"sorted_by_{number}"


def _beyond(keys: Sequence[SortKey], place: Sequence[Any], backwards: bool) -> Q:
    """Return the condition that a row stands after a place.

    The first part of it says the same once more of the first key alone, which is what an index can begin at.
    """
    condition = _further(keys[-1], _name(len(keys) - 1), place[-1], backwards)
    for number in reversed(range(len(keys) - 1)):
        name, value = _name(number), place[number]
        same = Q(**{f"{name}__isnull": True}) if value is None else Q(**{name: value})
        condition = _further(keys[number], name, value, backwards) | (same & condition)
    first = keys[0]
    if len(keys) == 1 or first.nullable:
        return condition
    operator = "lte" if first.descending is not backwards else "gte"
    return Q(**{f"{_name(0)}__{operator}": place[0]}) & condition


def _further(one: SortKey, name: str, value: Any, backwards: bool) -> Q:
    if value is None:  # NULLs are last: nothing is after them, everything else before
        return Q(**{f"{name}__isnull": False}) if backwards else Q(pk__in=[])
    operator = "lt" if one.descending is not backwards else "gt"
    further = Q(**{f"{name}__{operator}": value})
    return further | Q(**{f"{name}__isnull": True}) if one.nullable and not backwards else further


def _written(value: object) -> str:
    if value is None:
        return _NOTHING
    if isinstance(value, datetime):
        return rfc3339(value, "auto")
    text = quote(str(value), safe=" ").replace(_END, "%7E")
    return "%2D" if text == _NOTHING else text


def _read(part: str, one: SortKey, kind: "Field[Any, Any]") -> Any:
    """Return a part of a cursor as the database compares it. Raises `ValueError` and `ValidationError`."""
    if part == _NOTHING and one.nullable:
        return None
    text = unquote(part)
    if "\0" in text:
        raise ValueError("a text that PostgreSQL can't hold")
    value = kind.to_python(text)
    if isinstance(value, int) and abs(value) > _GREATEST:
        raise ValueError("a number that no column can hold")
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("a moment without a zone")
        return value.astimezone(UTC)
    return value
