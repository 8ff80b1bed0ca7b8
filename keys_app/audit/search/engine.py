"""Finds the events of a query, a bounded number at a time, along indexes in the order of the ledger.

A page costs the same wherever it is: nothing is counted and nothing is skipped. Of several conditions the rarest
leads, and the others are looked up for what it finds.
"""

import hashlib
import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from django.contrib.auth import get_user_model
from django.db.models import Exists, OuterRef, Q, QuerySet

from keys_app.audit.models import AuditEvent, EventTerm
from keys_app.core.errors import InvalidInput

from .qualifiers import Moments, common_range, moments
from .query import Query
from .tokens import whole, words

_COLUMNS = {"action": "action", "account": "account_sid", "key": "key_sid", "request": "request_id"}
_FEW = 200
Rows = QuerySet[AuditEvent] | QuerySet[EventTerm]
"""Rows with a `sequence`."""
EVERY = 2**62
CLOCKS_DIFFER_BY = timedelta(days=1)
"""Times nearly follow the numbers, which is used to skip to a range; clocks may be this far apart."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One value of one key: either a column's value, or terms that must all be there."""

    column: str = ""
    value: str = ""
    terms: tuple[str, ...] = ()

    def rows(self) -> Rows:
        """Return rows with a `sequence` that are in an index of their own, in the ledger's order."""
        if self.column:
            return AuditEvent.objects.filter(**{self.column: self.value})
        rest = [term_exists(term) for term in self.terms[1:]]
        return EventTerm.objects.filter(*rest, term=self.terms[0])

    def holds(self, on_events: bool) -> Q:
        """Return the condition as a filter, on events or on any other rows with a `sequence`."""
        if self.column:
            return _of_event(on_events, Q(**{self.column: self.value}))
        found = Q()
        for term in self.terms:
            found &= Q(term_exists(term))
        return found


def term_exists(term: str) -> Exists:
    """Return the condition that an event, or another row with a `sequence`, has this term."""
    return Exists(EventTerm.objects.filter(term=term, sequence=OuterRef("sequence")))


def _condition(key: str, value: str) -> Condition:
    if key == "action" and value.endswith(".*"):
        return Condition(terms=("family:" + value.removesuffix(".*"),))
    if key in _COLUMNS:
        return Condition(_COLUMNS[key], value)
    if key == "text":
        return Condition(terms=tuple(f"text:{word}" for word in sorted(words(value), key=len, reverse=True)))
    if key == "product":
        return Condition(terms=(f"permission:/twilio/{value}/",))
    if key in ("actor", "team"):
        return Condition(terms=(f"{key}:{whole(value)}",))
    return Condition(terms=(f"{key}:{value}",))


def _conditions(key: str, value: str) -> list[Condition]:
    """Return the ways an event can have this value of a key, any of which is enough.

    Older events have the actor's number without the user name, so a user name is also looked for by its number.
    """
    found = [_condition(key, value)]
    if key == "actor":
        users = get_user_model().objects.filter(username__iexact=value).order_by("pk")
        found += [Condition(terms=(f"actor:#{pk}",)) for pk in users.values_list("pk", flat=True)]
    return found


class Search:
    """A query over the events up to and with the number `upto`, so that appends meanwhile change nothing."""

    def __init__(self, query: Query, *, upto: int = EVERY) -> None:
        self.query = query
        self.range = common_range(query.of("created"))
        self.first, self.last = self._numbers(upto)
        self._groups = self._any_of()
        self._leading: list[Condition] | None = None

    def _any_of(self) -> list[list[Condition]]:
        """Return the positive conditions: one of each group must hold. Words of text are groups of their own."""
        asked = [t for t in self.query.terms if not t.negated and t.key != "created"]
        asked.sort(key=lambda term: term.key)
        groups: list[list[Condition]] = []
        for key, terms in groupby(asked, key=lambda term: term.key):
            conditions = [one for term in terms for one in _conditions(key, term.value)]
            groups += [[one] for one in conditions] if key == "text" else [conditions]
        return groups

    def _numbers(self, upto: int) -> tuple[int, int]:
        """Return the first and last number that the range of time can reach."""
        events, first, last = AuditEvent.objects.order_by("time").values_list("sequence", flat=True), 1, upto
        if self.range.start:
            first = events.filter(time__gte=_moved(self.range.start, -CLOCKS_DIFFER_BY)).first() or upto + 1
        if self.range.end:
            last = min(upto, events.filter(time__lt=_moved(self.range.end, CLOCKS_DIFFER_BY)).last() or 0)
        return first, last

    def rows(self) -> QuerySet[AuditEvent]:
        """Return the events as one queryset, for whoever reads them in the ledger's order from end to end.

        It has no lower bound: of two, SQLite would use the wrong one, and begin each batch anew.
        """
        found = AuditEvent.objects.filter(*self._rest(on_events=True))
        if self._leading:
            found = found.filter(_either([condition.holds(True) for condition in self._leading]))
        return found if self.last == EVERY else found.filter(sequence__lte=self.last)

    def numbers(self, *, below: int | None = None, above: int | None = None, limit: int) -> list[int]:
        """Return at most `limit` numbers: the newest below `below`, or the oldest above `above`, or the newest."""
        first = self.first if above is None else max(self.first, above + 1)
        last = self.last if below is None else min(self.last, below - 1)
        if first > last:
            return []
        rising = above is not None
        streams = [self._run(rows, first, last, rising, limit) for rows in self._led()]
        merged = heapq.merge(*streams, reverse=not rising)
        return [number for number, _ in groupby(merged)][:limit]

    def _run(self, rows: Rows, first: int, last: int, rising: bool, limit: int) -> list[int]:
        rows = rows.filter(sequence__gte=first, sequence__lte=last)
        return list(rows.order_by("sequence" if rising else "-sequence").values_list("sequence", flat=True)[:limit])

    def _led(self) -> list[Rows]:
        """Return the rows to walk along, with everything else as a filter on them."""
        if self._leading is None:
            self._leading = self._rarest()
        if not self._leading:
            return [AuditEvent.objects.filter(*self._rest(on_events=True))]
        return [one.rows().filter(*self._rest(on_events=bool(one.column))) for one in self._leading]

    def _rest(self, *, on_events: bool) -> list[Q]:
        """Return what is not led by: the other groups, negations, and the exact time."""
        others = [group for group in self._groups if group is not self._leading]
        rest = [_either([condition.holds(on_events) for condition in group]) for group in others]
        refused = [term for term in self.query.terms if term.negated and term.key != "created"]
        rest += [~one.holds(on_events) for term in refused for one in _conditions(term.key, term.value)]
        rest += [~_of_event(on_events, _in_time(moments(one))) for one in self.query.of("created", negated=True)]
        if self.range.start or self.range.end:
            rest.append(_of_event(on_events, _in_time(self.range)))
        return rest

    def _rarest(self) -> list[Condition]:
        """Return the group whose events are the fewest, judged by how close the newest of them are together."""
        if len(self._groups) < 2:
            return self._groups[0] if self._groups else []
        return min(self._groups, key=self._density)

    def _density(self, group: list[Condition]) -> float:
        """Return how many of a group's events there are for each event in reach, from the newest few."""
        found = [self._run(one.rows(), self.first, self.last, False, _FEW) for one in group]
        newest = max((numbers[0] for numbers in found if numbers), default=self.first)
        return sum(_share(numbers, newest, self.first) for numbers in found)


def _share(numbers: list[int], newest: int, first: int) -> float:
    """Return the share of these numbers among those they were looked for in, which ends early if there were enough."""
    last = numbers[-1] if len(numbers) == _FEW else first
    return len(numbers) / max(newest - last + 1, 1)


def _moved(moment: datetime, by: timedelta) -> datetime:
    """Return a moment moved by some time, or itself at the end of the calendar."""
    try:
        return moment + by
    except OverflowError:
        return moment


def _either(conditions: list[Q]) -> Q:
    found = conditions[0]
    for one in conditions[1:]:
        found |= one
    return found


def _in_time(wanted: Moments) -> Q:
    limits = {"time__gte": wanted.start, "time__lt": wanted.end}
    return Q(**{name: value for name, value in limits.items() if value})


def _of_event(on_events: bool, what: Q) -> Q:
    """Return a filter on the event's columns, looked up by its number where the rows are not events."""
    return what if on_events else Q(Exists(AuditEvent.objects.filter(what, sequence=OuterRef("sequence"))))


def events(numbers: list[int]) -> dict[int, AuditEvent]:
    """Return the events with these numbers."""
    if not numbers:
        return {}
    low, high = min(numbers), max(numbers)
    together = high - low + 1 == len(numbers)
    wanted = {"sequence__range": (low, high)} if together else {"sequence__in": numbers}
    return {event.sequence: event for event in AuditEvent.objects.filter(**wanted)}


def chunks(search: Search, *, size: int) -> Iterator[list[int]]:
    """Return every number the search finds, oldest first, some at a time.

    Between two of them nothing is held in the database.
    """
    if not search.query.terms:  # then that is every number there is
        for first in range(1, search.last + 1, size):
            yield list(range(first, min(first + size, search.last + 1)))
        return
    last = 0
    while numbers := search.numbers(above=last, limit=size):
        yield numbers
        last = numbers[-1]


class WrongCursor(InvalidInput):
    """The place to go on from belongs to another search, or is none."""


def cursor(query: Query, number: int) -> str:
    """Return the place after event `number`, bound to the query."""
    return f"{number}.{_mark(query)}"


def place(query: Query, text: str) -> int:
    """Return the number a cursor names. Raises `WrongCursor` if it is none, or was made for another query."""
    number, _, mark = text.partition(".")
    if not (number.isascii() and number.isdecimal() and len(number) < 19):
        raise WrongCursor("before", "This address names a place in the list that does not exist. Start from the top.")
    if mark != _mark(query):
        raise WrongCursor(
            "before", "This address goes on with another search than the one it names. Start from the top."
        )
    return int(number)


def _mark(query: Query) -> str:
    conditions = sorted((term.key, term.value, term.negated) for term in query.terms)
    return hashlib.sha256(repr(conditions).encode()).hexdigest()[:10]
