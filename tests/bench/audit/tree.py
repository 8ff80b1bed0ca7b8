"""The ledger: verification against a bare loop of SHA-256 over the same rows, once reading only what is hashed and
once whole rows; appends against bare INSERTs of the same rows with the same durability; and on PostgreSQL eight
processes that append 500 events each.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any

APPENDS, PROCESSES, EACH, REPEAT = 500, 8, 500, 3
APPEND = f"""
import django; django.setup()
from tests.audit.tampering import fill
fill({EACH}, action="test.process")
"""


def ledger(events: int) -> dict[str, list[str]]:
    """Measure verification, then appends, which leave their events in the ledger, and verify those too."""
    from django.db import connection

    from tests.audit.tampering import fill as append

    cores = len(os.sched_getaffinity(0))
    works = {
        "SHA-256 loop over what is hashed": lambda: bare_loop("sequence"),
        "SHA-256 loop over whole rows": lambda: bare_loop("*"),
        "verification, 1 process": lambda: verify(1),
        f"verification, {cores} processes": lambda: verify(cores),
    }
    rates: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(REPEAT):
        for name, work in works.items():
            rates[name].append(rate(events, work))
    hashed, whole, one, several = (statistics.median(found) for found in rates.values())
    make_bare_table()
    bare, appended = in_turns(bare_inserts, lambda: rate(APPENDS, lambda: append(APPENDS)))
    found = {
        **{f"{name}, events a second": [f"{statistics.median(values):,.0f}"] for name, values in rates.items()},
        "verification of the loop over what is hashed": [f"{one / hashed:.2f} and {several / hashed:.2f}"],
        "verification of the loop over whole rows": [f"{one / whole:.2f} and {several / whole:.2f}"],
        "bare INSERTs a second": [f"{bare:,.0f}"],
        "appends a second": [f"{appended:,.0f}"],
        "appends of the bare INSERTs": [f"{appended / bare:.2f}"],
        f"appends a second, {PROCESSES} processes × {EACH} at once, no gap": ["-"],
    }
    if connection.vendor == "postgresql":
        found[list(found)[-1]] = [f"{eight_processes():,.0f}"]
    verify(1)
    return found


def in_turns(*works: Callable[[], float]) -> list[float]:
    """Return the median of what each gives, taken in turns."""
    return [
        statistics.median(found) for found in zip(*[[work() for work in works] for _ in range(REPEAT)], strict=True)
    ]


def rate(count: int, work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return count / (time.perf_counter() - start)


def bare_loop(columns: str) -> None:
    """Hash every event's canonical JSON and compare it, and nothing else."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(f"SELECT canonical, leaf_hash, {columns} FROM audit_auditevent ORDER BY sequence")
        while rows := cursor.fetchmany(4096):
            for row in rows:
                assert sha256(b"\x00" + row[0].encode()).digest() == bytes(row[1])


def verify(processes: int) -> None:
    from keys_app.audit.verification import Verification

    found = Verification()
    assert list(found.run(processes))
    assert found.fault is None, found.fault


def bare_inserts() -> float:
    """Insert an event again and again, into a table with the same columns and indexes, a transaction each."""
    from django.db import connection, transaction

    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM audit_auditevent ORDER BY sequence DESC LIMIT 1")
        row = list(cursor.fetchone())
        place = [column[0] for column in cursor.description].index("sequence")
    marks = ", ".join(["%s"] * len(row))
    start = time.perf_counter()
    for _ in range(APPENDS):
        row[place] = time.time_ns()  # larger than any before it
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"INSERT INTO bare VALUES ({marks})", row)
    return APPENDS / (time.perf_counter() - start)


def make_bare_table() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("CREATE TABLE bare (LIKE audit_auditevent INCLUDING INDEXES)")
            return
        cursor.execute("SELECT type, sql FROM sqlite_master WHERE tbl_name = 'audit_auditevent' AND sql IS NOT NULL")
        for kind, sql in cursor.fetchall():
            if kind in ("table", "index"):
                name = sql.replace('"audit_auditevent"', '"bare"')
                cursor.execute(name if kind == "table" else name.replace('INDEX "', 'INDEX "bare_'))


def eight_processes() -> float:
    def work() -> None:
        running = [subprocess.Popen([sys.executable, "-c", APPEND]) for _ in range(PROCESSES)]
        assert not any(process.wait() for process in running)

    from keys_app.audit.merkle import proofs

    before = proofs.size()
    result = rate(PROCESSES * EACH, work)
    assert proofs.size() == before + PROCESSES * EACH
    return result
