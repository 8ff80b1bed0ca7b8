"""One portal with every kind of key, made once; each test reads it and is taken back."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from django.core.cache import cache
from django.db import transaction
from django.test import override_settings

import portal.urls  # noqa: F401 which pages there are depends on a setting that is changed here
from keys_app.views.audit import reports
from keys_app.views.http import listing
from tests.browser.conftest import browser, chromium, database_beside_the_browser  # noqa: F401 fixtures of test_looks
from tests.cast import assemble
from tests.twilio_iam.simulator import StandIn

from .kinds import build
from .world import World


@pytest.fixture(scope="package")
def world(django_db_setup, django_db_blocker, standin_process: StandIn, tmp_path_factory) -> Iterator[World]:
    """The world of `kinds`, in a transaction that is rolled back when the last test has read it."""
    changed = override_settings(
        TWILIO_IAM_BASE_URL=urlsplit(standin_process.base_url),
        TWILIO_READ_TIMEOUT=2.0,
        TWILIO_DEADLINE=3.0,
        SENDS_MAIL=True,
        REAUTHENTICATE_AFTER=0,  # its people sign in once, and a slow machine reads it for longer
        CHECKPOINT_DIR=tmp_path_factory.mktemp("checkpoints"),
    )
    whole = transaction.atomic()
    whole._from_testcase = True  # as Django's TestCase does, so that durable transactions nest in it
    with django_db_blocker.unblock(), changed:
        cache.clear()
        whole.__enter__()
        try:
            made = World(assemble(standin_process), standin_process)
            build(made)
            yield made
        finally:
            transaction.set_rollback(True)
            whole.__exit__(None, None, None)
            standin_process.clear_faults()
            standin_process.delete_keys()


@pytest.fixture(autouse=True)
def _taken_back(world: World, db, monkeypatch) -> None:
    """What a test writes is rolled back: who was refused, what was exported, what was pressed. Lists have one page."""
    cache.clear()
    monkeypatch.setattr(reports, "SHOWN", 1000)
    monkeypatch.setattr(listing, "SIZES", (1000,))
