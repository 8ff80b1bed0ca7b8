"""What every test has at hand: the simulator of Twilio as a process, and the cast."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.cache import cache
from django.core.handlers.base import BaseHandler
from django.core.signals import setting_changed
from django.db import connection

from keys_app.audit import triggers
from keys_app.audit.ledger import matching
from keys_app.notifications import notify as notifications_notify
from tests.cast import Cast, assemble
from tests.twilio_iam.simulator import StandIn

TESTS = Path(__file__).parent
USE_NO_DATABASE = [
    "permissions",
    "twilio_errors",
    "twilio_iam",
    "audit/test_notes.py",
    "audit/test_query.py",
    "audit/test_tree.py",
    "audit/test_canonical_json.py",
    "core",
    "keys/test_snippets.py",
    "portal/test_env.py",
    "portal/test_gunicorn.py",
    "portal/test_logs.py",
    "portal/test_one_home.py",
    "portal/test_serving.py",
    "portal/test_settings.py",
    "portal/test_slow_clients.py",
    "portal/test_threat_model.py",
    "portal/test_weak_secrets.py",
    "oidc/test_tokens.py",
]
ASK_NOTHING_OF_ITS_OWN = [
    "catalogue/test_catalogue_check.py",
    "connections/test_proof.py",
    "key_requests/test_approval_list.py",
    "key_requests/test_builder.py",
    "key_requests/test_narrowing.py",
    "key_requests/test_open_glass.py",
    "key_requests/test_questions.py",
    "key_requests/test_request_new.py",
    "key_requests/test_text_limits.py",
    "key_requests/test_withdraw.py",
    "keys/test_buttons.py",
    "keys/test_handover.py",
    "keys/test_issue_troubles.py",
    "keys/test_key_list.py",
    "keys/test_refusals.py",
    "matrix/test_complete.py",
    "matrix/test_hostile.py",
    "matrix/test_looks.py",
    "matrix/test_offered.py",
    "matrix/test_rows.py",
    "matrix/test_told.py",
    "notifications/test_webhooks.py",
    "oidc/test_both_worlds.py",
    "oidc/test_factor_there.py",
    "organisation/test_drafts.py",
    "organisation/test_who_may_what.py",
    "portal/test_encryption.py",
    "portal/test_own_address.py",
    "portal/test_proxies.py",
    "portal/test_query_counts.py",
    "portal/test_words_now.py",
    "reconcile/test_isolation.py",
    "reports/test_access_reviews.py",
    "reports/test_audit_reports.py",
    "users/test_admin_records.py",
    "users/test_factor_required.py",
    "users/test_factors.py",
    "users/test_needs_fresh.py",
    "users/test_passkeys.py",
    "users/test_password_tries.py",
    "users/test_passwords.py",
    "users/test_profile.py",
    "users/test_sign_in.py",
]
"""Pages, words and rules: what they ask of the database, the tests that run on both ask as well."""
WHOLE_PORTALS = [
    "backup",
    "browser",
    "chaos",
    "connections/test_kills.py",
    "portal/test_slow_clients.py",
]
"""Start the portal as processes, some with a browser, some of them killed. `make e2e` runs them."""
ALL_WITH_ALL = [
    "matrix/test_hostile.py",
    "matrix/test_looks.py",
    "matrix/test_offered.py",
    "oidc/test_both_worlds.py",
    "organisation/test_who_may_what.py",
]
"""Press each button, or ask for each address, as each role. `make e2e` runs them as well."""
ONCE = USE_NO_DATABASE + ASK_NOTHING_OF_ITS_OWN
collect_ignore = ONCE if os.environ.get("DATABASE_URL", "").startswith("postgres") else []


@pytest.fixture(scope="session")
def standin_process() -> Iterator[StandIn]:
    with StandIn() as running:
        yield running


@pytest.fixture
def standin(standin_process: StandIn, settings) -> Iterator[StandIn]:
    """The portal's Twilio for one test, without faults left over."""
    settings.TWILIO_IAM_BASE_URL = urlsplit(standin_process.base_url)
    settings.TWILIO_READ_TIMEOUT = 2.0
    settings.TWILIO_DEADLINE = 3.0
    yield standin_process
    standin_process.clear_faults()
    standin_process.delete_keys()  # the next test's portal knows nothing of them


@pytest.fixture
def cast(db, standin: StandIn) -> Cast:
    cache.clear()
    return assemble(standin)


@pytest.fixture
def live_cast(transactional_db, standin: StandIn) -> Cast:
    """The cast with every change really committed, for tests with several connections."""
    cache.clear()
    return assemble(standin)


@pytest.fixture
def actions(db):
    """Return the ledger's actions so far, oldest first, for one request or all."""

    def read(request_id: object = None) -> list[str]:
        events = matching().order_by("sequence")
        if request_id:
            events = events.filter(request_id=str(request_id))
        return list(events.values_list("action", flat=True))

    return read


@pytest.fixture
def told(monkeypatch) -> list[dict]:
    """Collect the notices that are given from now on, each with its `kind`."""
    given: list[dict] = []
    notify = notifications_notify.notify

    def noted(kind: str, **notice: Any) -> None:
        given.append({"kind": kind, **notice})
        notify(kind, **notice)

    monkeypatch.setattr(notifications_notify, "notify", noted)
    return given


@pytest.fixture(scope="session", autouse=True)
def _garbage_looked_for_seldom() -> None:
    """What is loaded once stays, so no one looks through it again after every 700 objects: a fourteenth of the time."""
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)


@pytest.fixture(scope="session", autouse=True)
def _middleware_loaded_once() -> Iterator[None]:
    """Load the middleware for all clients together: each would do so again, for a fifth of the time all tests take."""
    load, loaded = BaseHandler.load_middleware, {}

    def load_once(self, is_async: bool = False) -> None:
        if is_async not in loaded:
            load(self, is_async)
            loaded[is_async] = {name: value for name, value in vars(self).items() if "middleware" in name}
        vars(self).update(loaded[is_async])

    def forget(*, setting: str, **_: object) -> None:
        if setting.startswith(("MIDDLEWARE", "SECURE_", "WHITENOISE_", "STATIC")):
            loaded.clear()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseHandler, "load_middleware", load_once)
        setting_changed.connect(forget)
        yield
        setting_changed.disconnect(forget)


@pytest.fixture(autouse=True)
def _checkpoints_of_its_own(settings, tmp_path, monkeypatch) -> None:
    """Each test's checkpoints, and the mark beside them, are of its own ledger; so are those of processes it starts."""
    settings.CHECKPOINT_DIR = tmp_path / "checkpoints"
    monkeypatch.setenv("PORTAL_CHECKPOINT_DIR", str(settings.CHECKPOINT_DIR))


@pytest.fixture(autouse=True)
def _flush_needs_the_triggers_off(monkeypatch) -> None:
    """A flushed test database is emptied, which triggers refuse: take them away for that moment."""
    operations = type(connection.ops)
    flush = operations.execute_sql_flush

    def flush_without_triggers(self, sql_list):
        taken_off = [*triggers.drop(connection), *triggers.drop(connection, *triggers.DECISIONS)]
        try:
            flush(self, sql_list)
        finally:
            triggers.create(connection, taken_off)

    monkeypatch.setattr(operations, "execute_sql_flush", flush_without_triggers)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave what takes long to `make e2e`."""
    apart = [TESTS / name for name in (*WHOLE_PORTALS, *ALL_WITH_ALL)]
    for item in items:
        if any(item.path.is_relative_to(one) for one in apart):
            item.add_marker("e2e")


def pytest_terminal_summary(terminalreporter) -> None:
    """Say plainly what this run did not cover."""
    from django.conf import settings

    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        terminalreporter.write_line("Left out: PostgreSQL. Set DATABASE_URL=postgres://… to run the same tests on it.")
    if collect_ignore:
        terminalreporter.write_line(
            "Left out: what uses no database, or asks nothing of its own: tested on SQLite. See tests/conftest.py."
        )
    reasons = {
        report.longrepr[2] for report in terminalreporter.stats.get("skipped", []) if isinstance(report.longrepr, tuple)
    }
    for reason in sorted(reasons):
        terminalreporter.write_line(f"Left out: {reason.removeprefix('Skipped: ')}")
