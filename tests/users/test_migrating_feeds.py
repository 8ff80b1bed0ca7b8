"""Feed tokens from before they had a lifetime get one, long enough to hear of it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from keys_app.users.models import FeedToken
from tests.key_requests.test_migrating_decisions import migrate, newest

BEFORE = [("keys_app", "0061_sign_in")]


@pytest.fixture
def before(transactional_db):
    yield migrate(BEFORE)
    migrate(newest())


def test_a_token_of_last_year_works_for_ninety_days(before):
    now = timezone.now()
    maker = before.get_model("auth", "User").objects.create(username="security")
    values = {"created_by": maker, "created_at": now - timedelta(days=400)}
    before.get_model("keys_app", "FeedToken").objects.create(name="old", digest="a" * 64, **values)
    before.get_model("keys_app", "FeedToken").objects.create(name="gone", digest="b" * 64, revoked_at=now, **values)
    migrate(newest())
    old, gone = FeedToken.objects.get(name="old"), FeedToken.objects.get(name="gone")
    assert timedelta(days=90) <= old.expires_at - now < timedelta(days=91)
    assert (old.revoked_at, old.warned_at, old.end_reason) == (None, None, "")
    assert gone.revoked_at == now
