"""What narrows a list: each filter is a name in the address, with the values a person may choose from."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from django.contrib.auth.models import User
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.utils import timezone

from keys_app.core.actor import name_and_login
from keys_app.core.text import counted
from keys_app.organisation.access import Person

ME = "me"
"""The value that stands for the user who asks, so that a link to one's own rows is the same for all."""
PEOPLE_OFFERED = 100
"""How many people are suggested for a filter of people; any other is found by their login."""
_DAYS = re.compile(r"([1-9][0-9]{0,3})d")

Options = list[tuple[str, str]]
Found = tuple[str, Q]


class AnyFilter(Protocol):
    """What a list asks of a filter. `name` stands in the address, `label` and `any_label` on the page.

    `is_text` is for what is typed, with the options as suggestions.
    """

    @property
    def name(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def any_label(self) -> str: ...
    @property
    def is_text(self) -> bool: ...

    def options(self, rows: QuerySet[Any], who: Person) -> Options:
        """Return the values to offer a person who sees these rows, with their labels."""
        ...

    def find(self, value: str, options: Options, who: Person) -> Found | None:
        """Return what a value is called and which rows it leaves; None if there is no such value for this person."""
        ...


@dataclass(frozen=True, slots=True)
class Filter:
    """A choice of fixed values with their labels; `condition` says which rows a value leaves."""

    name: str
    label: str
    labels: Mapping[str, str]
    condition: Callable[[str], Q]
    any_label: str = "Any"
    is_text: bool = field(default=False, init=False)

    def options(self, rows: QuerySet[Any], who: Person) -> Options:
        return list(self.labels.items())

    def find(self, value: str, options: Options, who: Person) -> Found | None:
        return (self.labels[value], self.condition(value)) if value in self.labels else None


@dataclass(frozen=True, slots=True)
class RelatedFilter:
    """The accounts or teams of the rows this person sees; `path` leads from a row to one."""

    name: str
    label: str
    path: str
    model: type[Model]
    called: Callable[[Any], str] = str
    any_label: str = "Any"
    is_text: bool = field(default=False, init=False)

    def options(self, rows: QuerySet[Any], who: Person) -> Options:
        seen = _with_a_row(self.model, rows, self.path)
        return [(str(one.pk), self.called(one)) for one in seen]

    def find(self, value: str, options: Options, who: Person) -> Found | None:
        words = dict(options).get(value)
        return (words, Q(**{self.path: value})) if words is not None else None


@dataclass(frozen=True, slots=True)
class PersonFilter:
    """Whose rows: `me`, or a login. Of others, only approvers see any."""

    name: str
    label: str
    path: str
    any_label: str = "Anyone"
    is_text: bool = field(default=True, init=False)

    def options(self, rows: QuerySet[Any], who: Person) -> Options:
        if not who.is_approver:
            return [(ME, "You")]
        people = _with_a_row(User, rows, self.path).order_by("first_name", "username")[:PEOPLE_OFFERED]
        return [(ME, "You"), *((user.get_username(), name_and_login(user)) for user in people)]

    def find(self, value: str, options: Options, who: Person) -> Found | None:
        if value == ME:
            return "You", Q(**{self.path: who.user})
        return dict(options).get(value, value), Q(**{f"{self.path}__username__iexact": value})


@dataclass(frozen=True, slots=True)
class DaysFilter:
    """A number of days, written like `7d`: `condition` gets the moment that many days ago, or ahead."""

    name: str
    label: str
    words: str
    days: tuple[int, ...]
    condition: Callable[[datetime], Q]
    ahead: bool = False
    any_label: str = "Any"
    is_text: bool = field(default=False, init=False)

    def options(self, rows: QuerySet[Any], who: Person) -> Options:
        return [(f"{number}d", self._called(number)) for number in self.days]

    def find(self, value: str, options: Options, who: Person) -> Found | None:
        matched = _DAYS.fullmatch(value)
        if not matched:
            return None
        length = timedelta(days=int(matched[1]))
        moment = timezone.now() + (length if self.ahead else -length)
        return self._called(length.days), self.condition(moment)

    def _called(self, number: int) -> str:
        return self.words.format(counted(number, "day"))


@dataclass(frozen=True, slots=True)
class Control:
    """One filter as a page shows it: what can be chosen, what was, and what is wrong with that."""

    name: str
    label: str
    any_label: str
    is_text: bool
    options: Options
    value: str = ""
    words: str = ""
    condition: Q = field(default_factory=Q)

    @property
    def is_active(self) -> bool:
        return bool(self.words)

    @property
    def problem(self) -> str:
        """Return what is wrong with the value; empty if nothing is. Such a filter narrows nothing."""
        if not self.value or self.words:
            return ""
        return f"“{self.value}” can’t be chosen here, so it was left out."

    @property
    def all_options(self) -> Options:
        """Return what can be chosen, and what was, where that is none of it: a number of days of one's own."""
        given = (self.value, self.words)
        return self.options if not self.words or given in self.options else [*self.options, given]

    @property
    def is_shown(self) -> bool:
        """Whether there is anything to choose."""
        return bool(self.value) or len(self.options) > 1


def control(one: AnyFilter, value: str, rows: QuerySet[Any], who: Person) -> Control:
    """Return a filter as a person sees it who gave this value and may see these rows."""
    value = "".join(letter for letter in value.strip() if letter.isprintable())[:200]
    options = one.options(rows, who)
    found = one.find(value, options, who) if value else None
    words, condition = found or ("", Q())
    return Control(one.name, one.label, one.any_label, one.is_text, options, value, words, condition)


def _with_a_row(model: type[Model], rows: QuerySet[Any], path: str) -> QuerySet[Any]:
    """Return what rows lead to by `path`.

    Of each it is asked whether all rows there are have one that leads to it, which an index answers. In rows that are
    some of them this would look through the others as well, so it is read from them.
    """
    if rows.query.has_filters():
        return model._default_manager.filter(pk__in=rows.order_by().values(path))
    return model._default_manager.filter(Exists(rows.filter(**{path: OuterRef("pk")})))
