"""How fast the audit's pages and exports are on a large ledger: `make bench`, or for a quick look
`python -m tests.bench.audit_pages --events 20000`.

On SQLite and, with DATABASE_URL=postgres://…, on a database of its own on that server, one after the other in one
run, the same events each time. Measured through Django's test client, from the request to the last byte of the
answer, the median of several requests: the portal's page against Django's own admin list over the same table, with
the filter that asks for the same; exports against the database's own tool writing the same columns. Memory is how
much the process that exports grew, as the kernel counts it. Nothing is judged: the times depend on the machine.
"""

import argparse
import logging
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

EVENTS, REPEAT, PAGE = 1_000_000, 5, 50


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=int(os.environ.get("BENCH_EVENTS", EVENTS)))
    parser.add_argument("--on", choices=("sqlite", "postgresql"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.on:
        return measure(options.events)
    with tempfile.TemporaryDirectory() as directory:
        run({"DATABASE_URL": f"sqlite:///{directory}/bench.sqlite3"}, "sqlite", options.events)
    url = os.environ.get("DATABASE_URL", "")
    if not url.startswith("postgres"):
        print("Left out: PostgreSQL. Set DATABASE_URL=postgres://… to measure it in the same run.")
        return 0
    with fresh_database(url) as fresh:
        run({"DATABASE_URL": fresh}, "postgresql", options.events)
    return 0


def run(environment: dict[str, str], on: str, events: int) -> None:
    """Measure one database in a process of its own: its memory is one of the figures."""
    command = [sys.executable, "-m", "tests.bench.audit_pages", "--on", on, "--events", str(events)]
    subprocess.run(command, env={**os.environ, **environment, "DJANGO_SETTINGS_MODULE": "tests.settings"}, check=True)


@contextmanager
def fresh_database(url: str) -> Iterator[str]:
    import psycopg

    name = f"audit_bench_{os.getpid()}"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
        try:
            yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type]


def measure(count: int) -> int:
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    prepare()
    from django.db import connection

    from tests.bench.audit_data import fill

    started = time.perf_counter()
    fill(connection, count)
    print(f"\n{connection.vendor}: {count} events, loaded in {time.perf_counter() - started:.0f} s")
    client = signed_in()
    pages(client, count)
    exports(client, count)
    return 0


def prepare() -> None:
    """Set Django up, with an admin list over the ledger for comparison, and migrate."""
    os.environ.setdefault("PORTAL_AUDIT_SIGNING_KEY", "A" * 43 + "=")
    import django

    django.setup()
    logging.disable(logging.INFO)
    from django.conf import settings
    from django.contrib import admin
    from django.core.management import call_command

    from keys_app.audit.models import AuditEvent

    settings.CHECKPOINT_DIR = type(settings.CHECKPOINT_DIR)(tempfile.mkdtemp())

    class Compared(admin.ModelAdmin):
        """What somebody would write who wants a searchable list and nothing more."""

        list_display = ["sequence", "time", "actor_name", "action", "account_sid", "key_sid", "reason", "address"]
        search_fields = ["reason", "actor_name", "policy"]
        list_per_page = PAGE

        def lookup_allowed(self, lookup: str, value: str, request: Any) -> bool:
            return True

    admin.site.register(AuditEvent, Compared)
    call_command("migrate", verbosity=0)


def signed_in() -> Any:
    """Return a browser of somebody who is in Security and, for the admin, a superuser."""
    from django.contrib.auth.models import Group, User
    from django.test import Client

    user = User.objects.create_superuser("bench")
    user.groups.add(Group.objects.get(name="Security"))
    client = Client()
    client.force_login(user)
    return client


_MIDNIGHT = "T00:00:00%2B00:00"
# What is looked for, and how the admin is asked for the same.
FILTERS = {
    "first page": ("", ""),
    "action": ("action:key.issued", "action=key.issued"),
    "action, a family": ("action:key.*", "action__startswith=key."),
    "actor": ("actor:person17", "actor_name__icontains=person17+"),
    "account": (f"account:AC{7:032x}", f"account_sid=AC{7:032x}"),
    "team": ('team:"Team 7"', "team=Team+7"),
    "key": (f"key:SK{99:032x}", f"key_sid=SK{99:032x}"),
    "request": (f"request:00000000-0000-4000-8000-{99:012x}", f"request_id=00000000-0000-4000-8000-{99:012x}"),
    "permission": ("permission:/twilio/iam/", "policy__contains=/twilio/iam/"),
    "product": ("product:messaging", "policy__contains=/twilio/messaging/"),
    "risk": ("risk:critical", "risk=critical"),
    "address": ("address:10.3.", "address__startswith=10.3."),
    "created": ("created:2024-03-01..2024-03-31", f"time__gte=2024-03-01{_MIDNIGHT}&time__lt=2024-04-01{_MIDNIGHT}"),
    "free text": ("refund", "q=refund"),
    "free text, rare": ("000099", "canonical__contains=000099"),
    "free text, nothing": ("nowhere", "q=nowhere"),
    "not an action": ("-action:audit.exported", ""),
    "several": (
        "actor:person17 action:key.issued risk:high created:>=2024-01-01",
        "actor_name__icontains=person17+&action=key.issued&risk=high&time__gte=2024-01-01" + _MIDNIGHT,
    ),
}  # fmt: skip


def timed(client: Any, url: str, repeat: int = REPEAT) -> float:
    """Return the median time of a request in ms, the first one left out."""
    times = []
    for _ in range(repeat + 1):
        started = time.perf_counter()
        answer = client.get(url)
        times.append((time.perf_counter() - started) * 1000)
        assert answer.status_code == 200, (url, answer.status_code, answer.content[:2000])
    return statistics.median(times[1:])


def pages(client: Any, count: int) -> None:
    from urllib.parse import urlencode

    from keys_app.audit.query import parse
    from keys_app.audit.searching import cursor

    print(f"{'page':22} {'portal':>10} {'admin':>10} {'times':>7}")
    first = 0.0
    for name, (line, asked) in FILTERS.items():
        ours = timed(client, f"/audit/?{urlencode({'q': line})}")
        theirs = timed(client, f"/admin/audit/auditevent/?{asked}", 3)
        first = first or ours
        print(f"{name:22} {ours:7.1f} ms {theirs:7.1f} ms {theirs / ours:6.1f}", flush=True)
    number = min(10_000, count // PAGE)
    for line in ("", "action:key.* -risk:low"):
        place = cursor(parse(line), count - (number - 1) * PAGE + 1)
        ours = timed(client, f"/audit/?{urlencode({'q': line, 'before': place})}")
        theirs = timed(client, f"/admin/audit/auditevent/?p={number}", 3)
        name = f"page {number:,}" + (", filtered" if line else "")
        print(f"{name:22} {ours:7.1f} ms {theirs:7.1f} ms {theirs / ours:6.1f}   {ours / first:.2f} of the first page")


def peak() -> float:
    """Return the most memory this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def exports(client: Any, count: int) -> None:
    """Read each export from end to end, and let the database's own tool write the same columns."""
    from keys_app.audit import checkpoints

    started = time.perf_counter()
    checkpoints.sign()  # in a portal that runs, the last one is never far back
    print(f"first checkpoint, over all events: {time.perf_counter() - started:.1f} s")
    for kind, url in (("CSV", "csv"), ("JSON Lines", "jsonl"), ("OCSF", "ocsf.jsonl")):
        before = peak()
        taken, size = drained(lambda url=url: client.get(f"/audit/export.{url}").streaming_content)
        rate = count / taken
        print(
            f"export {kind:12} {rate:9.0f} events/s  {size / 2**20 / taken:6.1f} MB/s  memory +{peak() - before:.1f} MB"
        )
    for kind in ("csv", "jsonl"):
        before = peak()
        url = f"/audit/export.{kind}?q=action:key.*+-risk:low"
        taken, size = drained(lambda url=url: client.get(url).streaming_content)
        print(f"export {kind}, filtered {size / 2**20 / taken:17.1f} MB/s  memory +{peak() - before:.1f} MB")
    own_tool(count)


def drained(start: Callable[[], Any]) -> tuple[float, int]:
    started, size = time.perf_counter(), 0
    for piece in start():
        size += len(piece)
    return time.perf_counter() - started, size


def own_tool(count: int) -> None:
    from django.conf import settings
    from django.db import connection

    from keys_app.audit.formats import COLUMNS

    database, columns = settings.DATABASES["default"], ", ".join(COLUMNS)
    statement = f"SELECT {columns} FROM audit_auditevent ORDER BY sequence"
    if connection.vendor == "sqlite":
        tool, command = "sqlite3", ["sqlite3", "-csv", "-header", str(database["NAME"]), statement]
    else:
        copy = f"\\copy ({statement}) TO STDOUT WITH (FORMAT csv, HEADER)"
        tool, command = "psql", ["psql", "-qX", os.environ["DATABASE_URL"], "-c", copy]
    if not shutil.which(tool):
        print(f"Left out: {tool} is not on this machine, so exports have nothing to be compared with.")
        return
    started = time.perf_counter()
    with open(os.devnull, "wb") as nowhere:
        subprocess.run(command, stdout=nowhere, check=True)
    print(f"{tool:19} {count / (time.perf_counter() - started):9.0f} events/s, the same columns as CSV")


if __name__ == "__main__":
    sys.exit(main())
