"""Exports from end to end, and the database's own tool writing the same columns. Memory is how much the most this
process ever had has grown, as the kernel counts it."""

import os
import resource
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .pages import signed_in

REPEAT = 3
KINDS = {"CSV": "csv", "JSON Lines": "jsonl", "OCSF": "ocsf.jsonl"}
FILTER = "?q=action:key.*+-risk:low"


def exports(events: int) -> dict[str, list[str]]:
    """Measure each kind, everything and filtered, after the tool."""
    from keys_app.audit.merkle import checkpoints

    checkpoints.sign()  # in a portal that runs, the last one is never far back
    client, found = signed_in(), {}
    tools = [rate for _ in range(REPEAT) if (rate := own_tool(events))]
    tool = statistics.median(tools) if tools else 0.0
    for name, ending in KINDS.items():
        for what, query in (("everything", ""), ("filtered", FILTER)):
            before, rates = peak(), []
            for _ in range(REPEAT):
                lines, taken = read(lambda url=f"/audit/export.{ending}{query}": client.get(url).streaming_content)
                rates.append(lines / taken)
            rate = statistics.median(rates)
            found[f"{name}, {what}"] = [
                f"{rate:,.0f}", f"{rate / tool:.0%}" if tool else "-", f"+{peak() - before:.0f} MB"
            ]  # fmt: skip
    found["the database's own tool"] = [f"{tool:,.0f}" if tool else "not here", "", ""]
    return found


def peak() -> float:
    """Return the most memory this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def read(start: Callable[[], Any]) -> tuple[int, float]:
    """Read an answer to its end and return how many lines it had and the seconds it took."""
    started, lines = time.perf_counter(), 0
    for piece in start():
        lines += piece.count(b"\n")
    return lines, time.perf_counter() - started


def own_tool(events: int) -> float:
    """Return how many events a second `sqlite3 -csv` or `psql \\copy` writes; 0 where it is missing."""
    from django.conf import settings
    from django.db import connection

    from keys_app.audit.export.formats import COLUMNS

    statement = f"SELECT {', '.join(COLUMNS)} FROM audit_auditevent ORDER BY sequence"
    if connection.vendor == "sqlite":
        command = ["sqlite3", "-csv", "-header", str(settings.DATABASES["default"]["NAME"]), statement]
    else:
        copy = f"\\copy ({statement}) TO STDOUT WITH (FORMAT csv, HEADER)"
        command = ["psql", "-qX", os.environ["DATABASE_URL"], "-c", copy]
    if not shutil.which(command[0]):
        return 0.0
    started = time.perf_counter()
    with Path(os.devnull).open("wb") as nowhere:
        subprocess.run(command, stdout=nowhere, check=True)
    return events / (time.perf_counter() - started)
