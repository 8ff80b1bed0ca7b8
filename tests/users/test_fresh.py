"""How long ago the user of a session proved who they are."""

import time

import pytest

from keys_app.users.fresh import is_fresh, note_authenticated

NOTED = "portal.authenticated_at"


def test_signing_in_makes_a_session_fresh(cast):
    session = cast.client("engineer").session
    assert abs(session[NOTED] - time.time()) < 60
    assert is_fresh(session)


@pytest.mark.parametrize(
    ("noted", "fresh"), [(0, True), (-899, True), (-901, False), (3600, False), ("word", False), (None, False)]
)
def test_only_a_recent_sign_in_is_fresh(noted, fresh):
    session = {NOTED: time.time() + noted if isinstance(noted, int) else noted}
    assert is_fresh(session) is fresh


def test_a_session_of_before_is_not_fresh():
    assert is_fresh({}) is False


def test_without_a_limit_every_session_is_fresh(settings):
    settings.REAUTHENTICATE_AFTER = 0
    assert is_fresh({}) is True


def test_a_time_that_is_given_is_kept_and_never_lies_ahead():
    session = {}
    note_authenticated(session, at=1_000.5)
    assert session[NOTED] == 1_000.5
    note_authenticated(session, at=time.time() + 3600)
    assert session[NOTED] <= time.time()
