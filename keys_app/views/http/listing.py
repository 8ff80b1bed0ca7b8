"""One list: what every page that lists rows shares, so that search, filters, sorts and pages are the same on each.

A `Listing` describes a kind of list, in `keys_app.views.lists`; `page` reads the address and returns what the templates
in `templates/portal/partials/list/` show. The names in the address are a contract, since pages, mails and people's
bookmarks lead to filtered lists:

- `q`: words, each of which must be in one of the columns that are searched;
- one for each filter, as `state=pending`, `account=AC…`, `team=3`, `owner=me` or `requester=me` (or a login), and with
  a number of days `age=7d` (older than) and `ending=14d` (ends within): which ones a list has is in `lists`;
- `sort`: the name of an order; `rows`: how many rows a page has; `after`, `before`: a place, see `keyset`.

A value that can't be is told on the page and narrows nothing; a place that is none is not found.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.db.models import Q, QuerySet

from keys_app.organisation.access import Person

from .filters import AnyFilter, Control, control
from .keyset import Sort, page_of
from .signed_in import PortalRequest

SIZES = (20, 50, 100)
EXACT = 1000
"""Up to how many rows are counted; beyond that the page says “1,000+”."""
MOST_WORDS = 5


@dataclass(frozen=True, slots=True)
class ListLink:
    """A link of a list's head: to another order or size, or to the list without one of its filters."""

    label: str
    url: str
    is_current: bool = False
    about: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """A kind of list. `noun` is one row and several; `searched` says in words what `q` looks into.

    `found_by` returns the condition that a row has a word in it. The first sort is the one without `sort=`. A page has
    at most `most` rows.
    """

    noun: tuple[str, str]
    searched: str
    found_by: Callable[[str], Q]
    sorts: tuple[Sort, ...]
    filters: tuple[AnyFilter, ...]
    most: int = 100

    def page(
        self,
        request: PortalRequest,
        rows: QuerySet[Any],
        who: Person,
        *,
        seen: QuerySet[Any] | None = None,
        path: str = "",
        given: Mapping[str, str] | None = None,
    ) -> "ListPage":
        """Return the page of `rows` that the request's address asks for, and a form to ask for others.

        `rows` holds nothing this person may not see. Where it is less than they may, `seen` is all of that: the filters
        offer what is there. `path` is the list's own, if the request went elsewhere; `given` stands for what its
        address says. As many queries for many rows as for few. Raises `Http404` for a place that is none.
        """
        asked = {**request.GET.dict(), **(given or {})}
        rows, words, controls = self.narrowed(rows, asked, who, rows if seen is None else seen)
        sort = next((one for one in self.sorts if one.name == asked.get("sort")), self.sorts[0])
        size = next((one for one in self.row_numbers if str(one) == asked.get("rows")), SIZES[0])
        piece = page_of(rows, sort, size, after=asked.get("after", ""), before=asked.get("before", ""))
        total = rows.order_by().values("pk")[: EXACT + 1].count()
        address = _Address(
            path or request.path, _kept(words, controls, "" if sort is self.sorts[0] else sort.name, size)
        )
        return ListPage(
            listing=self,
            rows=piece.rows,
            total=total,
            words=words,
            controls=controls,
            sort=sort,
            size=size,
            address=address,
            previous_url=address(before=sort.cursor(piece.rows[0])) if piece.has_previous and piece.rows else "",
            next_url=address(after=sort.cursor(piece.rows[-1])) if piece.has_next else "",
        )

    def narrowed(
        self, rows: QuerySet[Any], asked: Mapping[str, str], who: Person, seen: QuerySet[Any]
    ) -> tuple[QuerySet[Any], str, list[Control]]:
        """Return those of `rows` that an address asks for, the words it searches, and its filters as the page has them.

        `seen`: what the filters offer is there.
        """
        words = " ".join("".join(map(_printable, asked.get("q", ""))).split())[:100]
        controls = [control(one, asked.get(one.name, ""), seen, who) for one in self.filters]
        for word in words.split()[:MOST_WORDS]:
            rows = rows.filter(self.found_by(word))
        for one in controls:
            rows = rows.filter(one.condition) if one.is_active else rows
        return rows, words, controls

    @property
    def row_numbers(self) -> list[int]:
        """Return how many rows a page may have, the fewest first."""
        return [one for one in SIZES if one <= self.most] or list(SIZES[:1])


@dataclass(frozen=True, slots=True)
class _Address:
    """The list's address with what was chosen; called, it changes some of it, and takes away what is empty."""

    path: str
    kept: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, **changes: str) -> str:
        values = {name: value for name, value in {**self.kept, **changes}.items() if value}
        return f"{self.path}?{urlencode(values)}" if values else self.path


def _kept(words: str, controls: list[Control], sort: str, size: int) -> dict[str, str]:
    chosen = {one.name: one.value for one in controls if one.is_active}
    return {"q": words, **chosen, "sort": sort, "rows": str(size) if size != SIZES[0] else ""}


def _printable(letter: str) -> str:
    return letter if letter.isprintable() else " "


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page of a list, as the templates show it."""

    listing: Listing
    rows: list[Any]
    total: int
    words: str
    controls: list[Control]
    sort: Sort
    size: int
    address: _Address
    previous_url: str
    next_url: str

    @property
    def path(self) -> str:
        return self.address.path

    @property
    def things(self) -> str:
        """What the list is of, in the plural."""
        return self.listing.noun[1]

    @property
    def searched(self) -> str:
        return self.listing.searched

    @property
    def count(self) -> str:
        """Return “20 of 217 keys”; exact to a thousand."""
        one, many = self.listing.noun
        if self.total > EXACT:
            return f"{len(self.rows)} of {EXACT:,}+ {many}"
        whole = f"{self.total:,} {one if self.total == 1 else many}"
        return whole if len(self.rows) == self.total else f"{len(self.rows)} of {whole}"

    @property
    def caption(self) -> str:
        """Return what the table is, for who hears it."""
        return f"{self.things.capitalize()}, by “{self.sort.label}”"

    @property
    def chips(self) -> list[ListLink]:
        """Return what narrows the list, each with the address of the list without it."""
        chips = [ListLink(self.words, self.address(q=""), about="Search")] if self.words else []
        active = [one for one in self.controls if one.is_active]
        return [*chips, *(ListLink(one.words, self.address(**{one.name: ""}), about=one.label) for one in active)]

    @property
    def problems(self) -> list[Control]:
        return [one for one in self.controls if one.problem]

    @property
    def shown_controls(self) -> list[Control]:
        return [one for one in self.controls if one.is_shown]

    @property
    def active_filters(self) -> int:
        return sum(one.is_active for one in self.controls)

    @property
    def is_narrowed(self) -> bool:
        return bool(self.words) or bool(self.active_filters)

    @property
    def is_beyond(self) -> bool:
        """Whether the address leads to where no rows are any more, though the list has some."""
        return not self.rows and self.total > 0

    @property
    def sorts(self) -> list[ListLink]:
        first, here = self.listing.sorts[0], self.sort
        return [
            ListLink(one.label, self.address(sort="" if one is first else one.name), one is here)
            for one in self.listing.sorts
        ]

    @property
    def sizes(self) -> list[ListLink]:
        """Return how many rows a page may have; empty where the fewest are enough."""
        if self.total <= SIZES[0]:
            return []
        return [
            ListLink(str(one), self.address(rows="" if one == SIZES[0] else str(one)), one == self.size)
            for one in self.listing.row_numbers
        ]

    @property
    def hidden(self) -> list[tuple[str, str]]:
        """Return what the form keeps besides what it asks."""
        return [(name, self.address.kept[name]) for name in ("sort", "rows") if self.address.kept[name]]

    @property
    def clear_url(self) -> str:
        """Return the address without search and filters; order and size stay."""
        return self.address(q="", **{one.name: "" for one in self.controls})

    @property
    def first_url(self) -> str:
        return self.address()
