"""How often the database is asked while someone waits for a key: each time is a round trip to it."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from keys_app.keys.models import ApiKey
from tests.cast import secret_in

IN_A_DIALOG = {"HX-Request": "true"}
MOST = 30


@pytest.fixture
def asked(live_cast, standin, settings):
    """Press a button as a browser does, in transactions that are committed; return what it asked the database."""
    settings.LIMITS = {**settings.LIMITS, "issues": 30}
    client = live_cast.client("engineer")

    def press(address, **data):
        with CaptureQueriesContext(connection) as captured:
            answer = client.post(address, data, headers=IN_A_DIALOG)
        assert secret_in(answer)
        ends = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")
        return [one["sql"][:150] for one in captured if not one["sql"].startswith(ends)]

    return press


def test_an_issue_asks_the_database_at_most_thirty_times(live_cast, asked):
    first, second = live_cast.approved(), live_cast.approved(friendly_name="second")
    asked(f"/requests/{first.pk}/issue/")  # what is looked up once
    queries = asked(f"/requests/{second.pk}/issue/")
    assert len(queries) <= MOST, "\n".join(queries)


def test_a_rotation_asks_the_database_at_most_46_times(live_cast, asked):
    asked(f"/requests/{live_cast.approved().pk}/issue/")
    key = ApiKey.objects.get()
    live_cast.client("engineer").post(f"/keys/{key.sid}/confirm/")
    queries = asked(f"/keys/{key.sid}/rotate/", overlap_hours="24")
    assert len(queries) <= 46, "\n".join(queries)
