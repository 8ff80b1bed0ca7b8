"""Measures the ledger on SQLite and PostgreSQL, side by side: `python -m tests.bench.ledger --events 1000000`.

Verification against a bare loop of SHA-256 over the same rows, once reading only what is hashed and once whole
rows; appends against bare INSERTs of the same rows with the same durability; exports; and on PostgreSQL eight
processes that append 500 events each.
"""

import argparse
import json
import os
import resource
import secrets
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
from cryptography.fernet import Fernet

ROOT = Path(__file__).resolve().parents[2]
SERVER = "postgres://postgres@127.0.0.1:5432/postgres"
APPENDS, PROCESSES, EACH = 500, 8, 500
APPEND = f"""
import sys
import django; django.setup()
from tests.audit.tampering import fill
fill({EACH}, action="test.process")
"""


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
    for number in range(APPENDS):
        row[place] = 10**12 + number
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
        running = [subprocess.Popen([sys.executable, "-c", APPEND], cwd=ROOT) for _ in range(PROCESSES)]
        assert not any(process.wait() for process in running)

    from keys_app.audit import proofs

    before = proofs.size()
    result = rate(PROCESSES * EACH, work)
    assert proofs.size() == before + PROCESSES * EACH
    return result


def export(filtered: bool) -> None:
    from keys_app.audit import export as exporter
    from keys_app.audit.ledger import matching

    events = matching(action="key.issued") if filtered else matching()
    for _ in exporter.jsonl(events, filtered=filtered, header={}):
        pass


def measure(events: int) -> dict[str, str]:
    """Fill the database of this process and measure. Each figure is a rate per second."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    from keys_app.audit import checkpoints
    from keys_app.audit.ledger import matching
    from tests.audit.tampering import fill as append
    from tests.bench.ledger_data import fill

    call_command("migrate", verbosity=0)
    fill(events)
    call_command("audit_checkpoint", stdout=open(os.devnull, "w"))  # noqa: SIM115
    cores = len(os.sched_getaffinity(0))
    hashed, whole = rate(events, lambda: bare_loop("sequence")), rate(events, lambda: bare_loop("*"))
    one, several = rate(events, lambda: verify(1)), rate(events, lambda: verify(cores))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    everything, part = rate(events, lambda: export(False)), matching(action="key.issued").count()
    filtered = rate(part, lambda: export(True))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    make_bare_table()
    bare, appended = bare_inserts(), rate(APPENDS, lambda: append(APPENDS))
    many = f"{eight_processes():.0f}" if connection.vendor == "postgresql" else "-"
    assert checkpoints.latest()
    verify(1)
    return {
        "SHA-256 loop over what is hashed": f"{hashed:.0f}",
        "SHA-256 loop over whole rows": f"{whole:.0f}",
        "verification, 1 process": f"{one:.0f}",
        f"verification, {cores} processes": f"{several:.0f}",
        "of the loop over what is hashed": f"{several / hashed:.2f}",
        "of the loop over whole rows": f"{several / whole:.2f}",
        "export of everything": f"{everything:.0f}",
        "export with proofs": f"{filtered:.0f}",
        "memory they added, MB": f"{grown / 1024:.0f}",
        "bare INSERTs": f"{bare:.0f}",
        "appends": f"{appended:.0f}",
        "appends of the bare INSERTs": f"{appended / bare:.2f}",
        f"appends of {PROCESSES} processes × {EACH}": many,
    }


def run(url: str, events: int, directory: str) -> dict[str, str]:
    """Measure one database in a process of its own, whose settings name it."""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "DATABASE_URL": url,
        "PORTAL_SECRET_KEY": secrets.token_urlsafe(64),
        "PORTAL_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "PORTAL_AUDIT_SIGNING_KEY": b64encode(secrets.token_bytes(32)).decode(),
        "PORTAL_CHECKPOINT_DIR": tempfile.mkdtemp(dir=directory),
    }
    command = [sys.executable, "-m", "tests.bench.ledger", "--events", str(events), "--here"]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def compare(events: int) -> None:
    results: dict[str, dict[str, str]] = {}
    with tempfile.TemporaryDirectory() as directory:
        results["SQLite"] = run(f"sqlite:///{directory}/ledger.sqlite3", events, directory)
        name = f"key_portal_bench_{os.getpid()}"
        try:
            server = psycopg.connect(os.environ.get("BENCH_SERVER", SERVER), autocommit=True, connect_timeout=5)
        except psycopg.OperationalError:
            print("Left out: PostgreSQL; there is no server (BENCH_SERVER=postgres://…).")
        else:
            with server:
                server.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
                url = f"{os.environ.get('BENCH_SERVER', SERVER).rpartition('/')[0]}/{name}"
                try:
                    results["PostgreSQL"] = run(url, events, directory)
                finally:
                    server.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type]
    print(f"{f'{events} events, per second':<36}" + "".join(f"{one:>14}" for one in results))
    for line in results["SQLite"]:
        print(f"{line:<36}" + "".join(f"{one[line]:>14}" for one in results.values()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--here", action="store_true", help="measure the database of the environment")
    options = parser.parse_args()
    if options.here:
        print(json.dumps(measure(options.events)))
    else:
        compare(options.events)
