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
