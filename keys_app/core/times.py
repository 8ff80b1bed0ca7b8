"""How a moment is written: for people, in UTC or a zone of theirs; for machines, by RFC 3339; and lengths of time."""

from datetime import UTC, datetime, timedelta, tzinfo

from .text import counted

_UNITS = (("day", 86400, 3600), ("hour", 3600, 60), ("minute", 60, 1), ("second", 1, 1))
"""A unit's name, its length, and that of the next smaller one, in seconds."""
_FEW = 3
"""From this many on, a length is rounded to whole units: “2 hours 30 minutes”, but “4 hours”."""


def day(at: datetime, zone: tzinfo = UTC) -> str:
    """Return “2026-07-01”."""
    return f"{at.astimezone(zone):%Y-%m-%d}"


def minute(at: datetime, zone: tzinfo = UTC) -> str:
    """Return “2026-07-01 09:30”, for a page, whose foot names the zone."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}"


def second(at: datetime, zone: tzinfo = UTC) -> str:
    """Return “2026-07-01 09:30:15”, where the order of events matters."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def moment(at: datetime, zone: tzinfo = UTC) -> str:
    """Return “2026-07-01 09:30 UTC”, for what is read on its own: a mail, a refusal."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M %Z}"


def stamp(at: datetime) -> str:
    """Return “20260701-093015”, for a file's name."""
    return f"{at.astimezone(UTC):%Y%m%d-%H%M%S}"


def rfc3339(at: datetime, timespec: str = "seconds") -> str:
    """Return a moment for machines: “2026-07-01T09:30:15+00:00”. `timespec` is how exact, as `isoformat` takes it."""
    return at.astimezone(UTC).isoformat(timespec=timespec)


def about(length: timedelta) -> str:
    """Return a length of time in its largest whole unit: “1 hour”, also of one with 50 minutes more."""
    seconds = int(length.total_seconds())
    name, size = next(((name, size) for name, size, _ in _UNITS if seconds >= size), ("second", 1))
    return counted(seconds // size, name)


def duration(length: timedelta) -> str:
    """Return a length of time as one would say it: “7 seconds”, “1 hour 30 minutes”, “4 days”."""
    seconds = max(length.total_seconds(), 0.0)
    for name, size, finer in _UNITS:
        rounded = round(seconds / finer) * finer
        if rounded >= size:
            whole, rest = divmod(rounded, size)
            if whole >= _FEW:
                return counted(round(seconds / size), name)
            if not rest:
                return counted(whole, name)
            return f"{counted(whole, name)} {duration(timedelta(seconds=rest))}"
    return "less than a second"
