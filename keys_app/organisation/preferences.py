"""What users choose for themselves: the zone of the times they see, and which mails they get, and when."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from django.contrib.auth.models import User
from django.db import transaction

from keys_app.audit.record import record
from keys_app.core.actor import Actor
from keys_app.core.db import lock_row
from keys_app.core.errors import InvalidInput

from .models import Preferences

EACH, DAILY, NEVER = "each", "daily", "never"
WORDS = {EACH: "Each as it happens", DAILY: "Once a day, all in one mail", NEVER: "None"}


@dataclass(frozen=True, slots=True)
class Mails:
    """A kind of mail a user can choose about: `choices` are of `WORDS`, what stands without a choice first."""

    name: str
    label: str
    choices: tuple[str, ...]


TO_DECIDE = Mails("to_decide", "Requests you may decide", (EACH, DAILY))
OWN = Mails("own", "Your own requests", (EACH, DAILY, NEVER))
KEYS = Mails("keys", "Keys of yours, and of teams you lead", (EACH, DAILY, NEVER))
REVIEWS = Mails("reviews", "Access reviews", (EACH, DAILY, NEVER))
WAITING = Mails("waiting", "The daily list of requests that wait for you", (DAILY, NEVER))
ALL = (TO_DECIDE, OWN, KEYS, REVIEWS, WAITING)
_DECIDERS = {
    "request.created",
    "request.approval_given",
    "request.answered",
    "request.nudged",
    "request.lapses_soon",
    "request.approval_void",
    "request.approval_withdrawn",
}
_BY_FEATURE = {"request": OWN, "key": KEYS, "access_review": REVIEWS}


def about(kind: str) -> Mails | None:
    """Return which mails a notice of this kind belongs to; None for one that is always mailed, as alarms are."""
    if kind == "request.digest":
        return WAITING
    return TO_DECIDE if kind in _DECIDERS else _BY_FEATURE.get(kind.partition(".")[0])


def stored_of(users: Iterable[User]) -> dict[int, dict[str, str]]:
    """Return what each of these users stored about mails, by the user's number; no row for who chose nothing."""
    rows = Preferences.objects.filter(user__in=[user.pk for user in users])
    return dict(rows.values_list("user_id", "mails"))


def choices_in(stored: Mapping[int, Mapping[str, str]], mails: Mails) -> dict[int, str]:
    """Return from what users stored, by the user's number, what they chose about mails."""
    return {user: _chosen(chosen, mails) for user, chosen in stored.items()}


def chosen_by(user: User) -> dict[str, str]:
    """Return a user's choice about each kind of mail, by its name, and their `time_zone`."""
    stored = _of(user)
    return {"time_zone": stored.time_zone or "UTC", **{one.name: _chosen(stored.mails, one) for one in ALL}}


def zone_of(user: User) -> tzinfo:
    """Return the zone a user chose; UTC without a choice, or where this machine does not know it."""
    try:
        return ZoneInfo(_of(user).time_zone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


@cache
def zones() -> list[str]:
    """Return the names of the zones there are, UTC first."""
    places = sorted(name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "posix")))
    return ["UTC", *places]


def choose(*, user: User, chosen: Mapping[str, str], actor: Actor) -> None:
    """Keep what a user chose, by the names of `chosen_by`; with an event, unless it is as before.

    Raises `InvalidInput` for what can't be chosen.
    """
    for one in ALL:
        if chosen[one.name] not in one.choices:
            raise InvalidInput(one.name, "Choose one of these.")
    if chosen["time_zone"] not in zones():
        raise InvalidInput("time_zone", "Choose one of the time zones.")
    with transaction.atomic():
        Preferences.objects.get_or_create(user_id=user.pk)
        user.preferences = stored = lock_row(Preferences, user.pk)
        before = chosen_by(user)
        changed = {name: value for name, value in chosen.items() if before[name] != value}
        if not changed:
            return
        stored.time_zone = chosen["time_zone"]
        stored.mails = {one.name: chosen[one.name] for one in ALL if chosen[one.name] != one.choices[0]}
        stored.save(update_fields=["time_zone", "mails"])
        record("user.preferences_changed", actor, details={"changed": changed})


def _chosen(stored: Mapping[str, str], mails: Mails) -> str:
    chosen = stored.get(mails.name, "")
    return chosen if chosen in mails.choices else mails.choices[0]


def _of(user: User) -> Preferences:
    try:
        return user.preferences
    except Preferences.DoesNotExist:
        return Preferences(user_id=user.pk)
