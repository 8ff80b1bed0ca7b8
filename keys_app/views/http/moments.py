"""A moment as every page shows it: in the reader's zone, exact and in UTC for who asks, and for machines.

What services say of a moment is in UTC, for mails and the ledger are: `in_readers_zone` writes it anew on a page.
"""

import re
from datetime import UTC, datetime, timedelta

from django.utils import timezone
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString

from keys_app.core import times

_MOMENT = re.compile(r"\b(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d) UTC\b")
_NOW = timedelta(minutes=1)


def relative(at: datetime) -> str:
    """Return how far a moment is from now: “3 hours ago”, “in 1 day 6 hours”, “just now”. What is to come is exact."""
    distance = at - timezone.now()
    if abs(distance) < _NOW:
        return "just now" if distance <= timedelta(0) else "in less than a minute"
    return f"in {times.duration(distance)}" if distance > timedelta(0) else f"{times.about(-distance)} ago"


def element(at: datetime, form: str = "minute", css: str = "", beside: bool = False) -> SafeString:
    """Return a moment as HTML, with its exact time in UTC as what is read on hover.

    `form` is a function of `core.times`, or `relative`, which is written without the date. With `beside` the relative
    form follows the date. No zone of the reader's is asked for but the one Django has for this answer.
    """
    zone = timezone.get_current_timezone()
    text = relative(at) if form == "relative" else getattr(times, form)(at, zone)
    aside = f' <span class="muted">({relative(at)})</span>' if beside else ""
    named = f' class="{css}"' if css else ""
    exact = f"{times.second(at, UTC)} UTC"
    return SafeString(f'<time{named} datetime="{times.rfc3339(at)}" title="{exact}">{text}{aside}</time>')


def in_readers_zone(text: str) -> SafeString:
    """Return a sentence as HTML, each moment in it that is written in UTC as `element` does."""
    return SafeString(_MOMENT.sub(_element_of, conditional_escape(text)))


def _element_of(found: re.Match[str]) -> str:
    try:
        at = datetime(*map(int, found.groups()), tzinfo=UTC)  # type: ignore[arg-type, misc]
        return element(at, "moment")
    except (ValueError, OverflowError):  # no such day, or none in the reader's zone
        return found.group()
