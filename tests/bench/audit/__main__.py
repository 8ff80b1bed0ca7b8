"""How fast the audit is on a large ledger: `make bench`, or a quick look with
`python -m tests.bench.audit --events 20000`.

SQLite and PostgreSQL (DATABASE_URL=postgres://…, or a server on 127.0.0.1:5432) are measured in one run, each in a
process of its own on the same events, and printed side by side. Nothing is judged: the times depend on the machine.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg

EVENTS = 1_000_000
SERVER = "postgres://postgres@127.0.0.1:5432/postgres"
Results = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--here", action="store_true", help="measure the database of DATABASE_URL, which is empty")
    parser.add_argument("--filled", action="store_true", help="with --here: its ledger was filled by an earlier run")
    options = parser.parse_args()
    if options.here:
        print(json.dumps(measure(options.events, options.filled)))
        return
    results = {}
    with tempfile.TemporaryDirectory() as directory:
        results["SQLite"] = run(f"sqlite:///{directory}/bench.sqlite3", options.events)
    given = os.environ.get("DATABASE_URL", "")
    with fresh_database(given if given.startswith("postgres") else SERVER) as url:
        if url:
            results["PostgreSQL"] = run(url, options.events)
        else:
            print("Left out: PostgreSQL. There is no server; name one with DATABASE_URL=postgres://…")
    show(options.events, results)


@contextmanager
def fresh_database(url: str) -> Iterator[str]:
    """Give the address of a database of its own on that server, or an empty one if nothing answers there."""
    name = f"audit_bench_{os.getpid()}"
    try:
        server = psycopg.connect(url, autocommit=True, connect_timeout=5)
    except psycopg.OperationalError:
        yield ""
        return
    with server:
        server.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
        try:
            yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type]


def run(url: str, events: int) -> Results:
    """Measure one database in a process of its own: its memory is one of the figures."""
    with tempfile.TemporaryDirectory() as directory:
        environment = {
            **os.environ,
            "DATABASE_URL": url,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "PORTAL_CHECKPOINT_DIR": directory,
        }
        command = [sys.executable, "-m", "tests.bench.audit", "--here", "--events", str(events)]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def measure(events: int, filled: bool) -> Results:
    """Return what was measured: a table for each part, its rows by name."""
    from . import exports, pages, tree

    pages.prepare(0 if filled else events)
    return {"pages": pages.pages(events), "exports": exports.exports(events), "ledger": tree.ledger(events)}


def show(events: int, results: dict[str, Results]) -> None:
    """Print a table for each part, with each database's columns beside the other's."""
    columns = {"pages": ("portal, ms", "admin, ms", "times faster"), "exports": ("a second", "of the tool's", "memory")}
    print(f"{events:,} events")
    for part, rows in next(iter(results.values())).items():
        heads = [f"{one}: {head}" for one in results for head in columns.get(part, ("",))]
        print(f"\n| {part} | " + " | ".join(heads).replace(": |", " |") + " |")
        print("|---" * (len(heads) + 1) + "|")
        for name in rows:
            cells = [cell for one in results.values() for cell in one[part][name]]
            print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
