"""How a moment is shown: in the reader's zone, how far it is, and exact in UTC for who asks."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from keys_app.key_requests.models import KeyRequest
from keys_app.keys.models import ApiKey
from keys_app.organisation.models import Preferences
from keys_app.views.http import moments
from tests.cast import text_of


def seen_from(cast, role, zone):
    Preferences.objects.create(user=cast.user(role), time_zone=zone)
    return cast.client(role)


@pytest.mark.parametrize(
    ("distance", "words"),
    [
        (timedelta(seconds=-5), "just now"),
        (timedelta(seconds=30), "in less than a minute"),
        (timedelta(hours=-3), "3 hours ago"),
        (timedelta(hours=-1, minutes=-50), "1 hour ago"),
        (timedelta(days=1, hours=6, minutes=1), "in 1 day 6 hours"),
        (timedelta(days=5, minutes=1), "in 5 days"),
    ],
)
def test_it_says_how_far_a_moment_is(distance, words):
    assert moments.relative(timezone.now() + distance) == words


def test_a_page_shows_the_readers_time_how_far_it_is_and_utc_on_hover(cast):
    key_request = cast.ask()
    at = timezone.now().replace(microsecond=0) - timedelta(hours=3)
    KeyRequest.objects.filter(pk=key_request.pk).update(created_at=at)
    page = seen_from(cast, "engineer", "Asia/Kolkata").get(f"/requests/{key_request.pk}/").content.decode()
    shown = at + timedelta(hours=5, minutes=30)
    assert (
        f'<time datetime="{at.isoformat()}" title="{at:%Y-%m-%d %H:%M:%S} UTC">{shown:%Y-%m-%d %H:%M} '
        f'<span class="muted">(3 hours ago)</span></time>' in page
    )


@pytest.mark.parametrize(("zone", "until"), [("UTC", "14:00 UTC"), ("Europe/Berlin", "16:00 CEST")])
def test_the_moments_in_a_sentence_are_in_the_readers_zone_too(cast, zone, until):
    key_request = cast.ask()
    created = datetime(2026, 7, 1, 14, tzinfo=UTC)
    KeyRequest.objects.filter(pk=key_request.pk).update(created_at=created)
    answer = seen_from(cast, "engineer", zone).get(f"/requests/{key_request.pk}/")
    assert f"2026-07-15 {until}" in text_of(answer)
    assert 'title="2026-07-15 14:00:00 UTC"' in answer.content.decode()


def test_a_refusal_says_its_moment_in_the_readers_zone(cast):
    key = cast.issued()[0].keys.get()
    at = datetime(2026, 7, 1, 14, tzinfo=UTC)
    ApiKey.objects.update(state="revoked", issued_at=at, revoked_at=at, revoke_reason="It leaked <b>.")
    client = seen_from(cast, "engineer", "Europe/Berlin")
    answer = client.post(f"/keys/{key.sid}/revoke/", {"reason": "Mine."})
    assert "since 2026-07-01 16:00 CEST" in text_of(answer)
    assert "leaked &lt;b&gt;" in answer.content.decode()


@pytest.mark.parametrize("text", ["2026-02-31 10:00 UTC", "0000-01-01 00:00 UTC", "<2026-01-01>", "no time"])
def test_what_is_no_moment_stays_as_it_is(text):
    assert moments.in_readers_zone(text) == text.replace("<", "&lt;").replace(">", "&gt;")


def test_the_audit_stays_in_utc_and_is_exact(cast):
    cast.ask()
    page = seen_from(cast, "security", "Asia/Kolkata").get("/audit/").content.decode()
    [(title, shown), *_] = re.findall(r'<time class="nowrap" datetime="[^"]*" title="([^"]*)">([^<]*)</time>', page)
    assert title == f"{shown} UTC"
