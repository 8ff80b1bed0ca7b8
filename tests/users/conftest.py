"""What tests of accounts have at hand."""

import time
from types import SimpleNamespace

import pytest
from allauth.mfa.totp.internal import auth


@pytest.fixture(autouse=True)
def _codes_of_one_moment(monkeypatch) -> None:
    """Let the clock of second factors stand: a test on a slow machine would meet the next code between two lines."""
    now = time.time()
    monkeypatch.setattr(auth, "time", SimpleNamespace(time=lambda: now))


@pytest.fixture
def mailing(cast, settings):
    """The cast with an address each, in a portal that sends mail. `lead` has used their account before."""
    settings.SENDS_MAIL = True
    cast.get_mail()
    cast.client("lead")
    return cast
