"""Counts and durations in words."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.template import Context, Template

from keys_app.core.text import cannot_move, counted, label
from keys_app.core.times import day, duration, minute, moment, rfc3339, second
from keys_app.key_requests.states import IssuanceState, RequestState
from keys_app.keys.states import KeyState


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "less than a second"),
        (0.2, "less than a second"),
        (1, "1 second"),
        (7.0, "7 seconds"),
        (59.8, "1 minute"),
        (90, "1 minute 30 seconds"),
        (900, "15 minutes"),
        (3540, "59 minutes"),
        (3599, "1 hour"),
        (3600, "1 hour"),
        (5400, "1 hour 30 minutes"),
        (10000, "2 hours 47 minutes"),
        (86400, "1 day"),
        (2 * 86400 - 0.01, "2 days"),
        (2.5 * 86400, "2 days 12 hours"),
        (4 * 86400 - 60, "4 days"),
        (14 * 86400, "14 days"),
    ],
)
def test_it_says_a_duration_as_one_would(seconds, words):
    assert duration(timedelta(seconds=seconds)) == words


def test_it_has_one_of_a_singular():
    assert (counted(1, "day"), counted(0, "day"), counted(30, "day")) == ("1 day", "0 days", "30 days")


def test_each_state_has_one_name_of_its_own():
    for states in (RequestState, KeyState, IssuanceState):
        assert len({label(state) for state in states}) == len(states)


def test_it_says_what_lost_a_race():
    told = cannot_move("key", KeyState.REVOKED, KeyState.REVOKING, read=KeyState.ACTIVE)
    assert told.startswith("This key can't move from revoked to revoking. It was active a moment ago")
    assert "ago" not in cannot_move("key", KeyState.REVOKED, KeyState.REVOKING, read=KeyState.REVOKED)


def test_it_writes_a_moment_in_utc_whatever_its_zone():
    at = datetime(2026, 7, 1, 1, 30, 15, 250, tzinfo=timezone(timedelta(hours=2)))
    assert (day(at), minute(at), second(at)) == ("2026-06-30", "2026-06-30 23:30", "2026-06-30 23:30:15")
    assert moment(at) == "2026-06-30 23:30 UTC"
    assert (rfc3339(at), rfc3339(at, "auto")) == ("2026-06-30T23:30:15+00:00", "2026-06-30T23:30:15.000250+00:00")


def test_templates_write_a_moment_for_people_and_for_machines():
    at = datetime(2026, 7, 1, 9, 30, 15, tzinfo=UTC)
    wanted = '{% time at "day" css="nowrap" %} {% time at %} {% time none %}'
    told = 'datetime="2026-07-01T09:30:15+00:00" title="2026-07-01 09:30:15 UTC"'
    assert Template(wanted).render(Context({"at": at, "none": None})) == (
        f'<time class="nowrap" {told}>2026-07-01</time> <time {told}>2026-07-01 09:30</time> '
    )


def test_django_writes_a_moment_the_same_way_where_nothing_else_is_said():
    at = datetime(2026, 7, 1, 9, 30, 15, tzinfo=UTC)
    assert Template("{{ at }} {{ at.date }}").render(Context({"at": at})) == f"{minute(at)} {day(at)}"
