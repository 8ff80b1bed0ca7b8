"""A notice is queued before the ledger's lock is taken: one that waits under it would deadlock with another writer."""

import ast
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.utils import timezone

import keys_app
from keys_app.audit import ledger
from keys_app.core.actor import Actor
from keys_app.keys import expiry
from keys_app.keys.models import ApiKey
from keys_app.notifications.models import NoticeKey

PRODUCT = Path(keys_app.__file__).parent
ROOMS = ["users", "key_requests", "keys", "catalogue", "reconcile", "reports"]
MODULES = sorted(path for room in ROOMS for path in (PRODUCT / room).glob("[a-z]*.py"))
QUEUES = {"notify", "_tell", "_alarm"}
SEEN_WAITING = 5.0


def called(statement):
    """Return the names of the functions that a statement calls."""
    calls = (node.func for node in ast.walk(statement) if isinstance(node, ast.Call))
    return {func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "") for func in calls}


def blocks(tree):
    return [
        getattr(node, part, None) or []
        for node in ast.walk(tree)
        for part in ("body", "orelse", "finalbody")
        if isinstance(getattr(node, part, None), list)
    ]


def leaves(statement):
    """Tell whether nothing runs after a statement that did something: a definition, or a branch that returns."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return True
    return isinstance(statement, ast.If) and isinstance(statement.body[-1], ast.Return) and not statement.orelse


@pytest.mark.parametrize("path", MODULES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_it_queues_no_notice_after_the_event(path):
    for block in blocks(ast.parse(path.read_text())):
        recorded = False
        for statement in block:
            assert not (recorded and QUEUES & called(statement)), f"{path.name}:{statement.lineno}"
            recorded = recorded or ("record" in called(statement) and not leaves(statement))


def test_it_waits_for_another_notice_without_the_ledgers_lock(live_cast):
    """One holds the notice's key and then writes to the ledger; the reminder waits for it meanwhile."""
    key_request, _ = live_cast.issued(lifetime_days="90")
    key = key_request.keys.get()
    end = timezone.now() + timedelta(days=0.5)
    ApiKey.objects.update(issued_at=end - timedelta(days=90), expires_at=end)
    claimed = threading.Event()

    def remind():
        claimed.wait(30)
        try:
            return expiry.remind_of_expiry(Actor.system("reconciler"))
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        reminded = pool.submit(remind)
        with transaction.atomic():
            NoticeKey.objects.create(key=f"expiry:{key.sid}:1")
            claimed.set()
            wait_until_blocked()
            ledger.append(ledger.Entry("test.event", "a test"))
        assert reminded.result(30) == 1
    assert list(NoticeKey.objects.filter(key__startswith="expiry:").values_list("key", flat=True)) == [
        f"expiry:{key.sid}:1"
    ]


def wait_until_blocked():
    """Return when another connection waits for this one. SQLite lets nobody else begin to write."""
    if connection.vendor != "postgresql":
        return
    ends = timezone.now() + timedelta(seconds=SEEN_WAITING)
    with connection.cursor() as cursor:
        while timezone.now() < ends:
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
            )
            if cursor.fetchone()[0]:
                return
    raise AssertionError("the reminder did not come to wait")
