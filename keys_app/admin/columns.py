"""Columns of the admin's lists, in the portal's words."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString

from keys_app.core.text import counted
from keys_app.views.http import moments

Column = Callable[[Any], Any]


def when(at: datetime | None, never: str = "Never") -> SafeString | str:
    """Return a moment in the reader's zone."""
    return moments.element(at) if at else never


def yes_no(field: str, title: str) -> Column:
    """Return the column of a tick, as Yes or No."""
    return _column(field, title, lambda ticked: "Yes" if ticked else "No")


def days(field: str, title: str) -> Column:
    """Return the column of a number of days; empty is no limit."""
    return _column(field, title, lambda number: "No limit" if number is None else counted(number, "day"))


def risk(field: str, title: str) -> Column:
    """Return the column of the highest risk allowed; empty is no limit."""
    return _column(field, title, risk_mark)


def risk_mark(level: str) -> SafeString | str:
    """Return a risk as all lists show it; without one, that there is no limit."""
    if not level:
        return "No limit"
    return format_html('<span class="risk" data-risk="{}">{}</span>', level, level.capitalize())


def named(field: str, title: str, empty: str = "") -> Column:
    """Return the column of a field under another title."""
    return _column(field, title, lambda value: str(value or empty))


def _column(field: str, title: str, shown: Callable[[Any], Any]) -> Column:
    @admin.display(description=title, ordering=field)
    def show(row: Any) -> Any:
        return shown(getattr(row, field))

    show.__name__ = field
    return show
