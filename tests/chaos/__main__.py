"""Kills the portal at every step, and counts what is lost: `make chaos`, or `python -m tests.chaos`.

Each part runs on SQLite and, where a server answers, on PostgreSQL. Then the same harness runs against a portal that
is broken on purpose, where it has to find something. The exit status is 0 if nothing is lost and every break is found.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg

from tests.browser.checkout import ROOT

from . import mutations
from .figures import Figures, table
from .parts import ONLY, PARTS, WHOLE, run_part
from .promotion import first_server

LOCAL = "postgres://postgres@127.0.0.1:5432/postgres"
AT_ONCE = 6
"""Parts that run side by side. They mostly wait for time-outs."""


def main() -> int:
    options = _options()
    if options.child:
        found = run_part(options.child, options.seed)
        print(json.dumps([figures.to_json() for figures in found]))
        return 0
    server = _any_database(os.environ.get("DATABASE_URL", LOCAL))
    wanted = [name for name in ("sqlite", "postgresql") if options.database in (name, "both")]
    if "postgresql" in wanted and not _answers(server):
        print("Left out: PostgreSQL. No server answers; set DATABASE_URL=postgres://…")
        wanted.remove("postgresql")
    good = [_run(database, server, options) for database in wanted]
    return 0 if good and all(good) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__, allow_abbrev=False)
    parser.add_argument("--parts", default=",".join([*WHOLE, *mutations.NAMES]), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--seed", type=int, default=1, help="of what is left to chance")
    parser.add_argument("--child", choices=PARTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    unknown = set(options.parts.split(",")) - set(PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    return options


def _any_database(url: str) -> str:
    """Return the address of the database that every PostgreSQL server has; others are made from there."""
    return url.rpartition("/")[0] + "/postgres" if url.startswith("postgres") else url


def _answers(server: str) -> bool:
    try:
        with psycopg.connect(server, connect_timeout=3):
            return server.startswith("postgres")
    except psycopg.Error:
        return False


def _run(database: str, server: str, options: argparse.Namespace) -> bool:
    """Run the parts on one database, print what they found, and tell whether it is as it has to be."""
    parts = [name for name in options.parts.split(",") if ONLY.get(name, database) == database]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        jobs = {name: pool.submit(_run_child, name, database, server, options.seed) for name in parts}
        found = {name: job.result() for name, job in jobs.items()}
    whole = [figures for name in parts if name not in mutations.NAMES for figures in found[name]]
    broken = [figures for name in parts if name in mutations.NAMES for figures in found[name]]
    print(f"\n{database}\n\n{table(whole)}\n" if whole else "")
    for figures in whole:
        _explain(figures)
    if broken:
        print(f"The portal broken on purpose, {database}\n\n{table(broken)}\n", flush=True)
    return all(figures.is_good for figures in whole) and all(figures.problems() for figures in broken)


def _explain(figures: Figures) -> None:
    for note in figures.notes:
        print(f"{figures.what}: {note}")
    for problem in figures.problems():
        print(f"WRONG {figures.what}: {problem}")
    if figures.unreached:
        print(f"WRONG {figures.what}: nothing was killed at {', '.join(figures.unreached)}")


def _run_child(name: str, database: str, server: str, seed: int) -> list[Figures]:
    command = [sys.executable, "-m", "tests.chaos", "--child", name, "--seed", str(seed)]
    with _database(database, server, name) as environment:
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        print(f"{database}: {name} ended with status {done.returncode}", file=sys.stderr, flush=True)
        return [Figures(name, notes=[f"ended with status {done.returncode}; see above"])]
    found = [Figures.from_json(text) for text in json.loads(done.stdout.splitlines()[-1])]
    for figures in found:
        figures.what = name if name in mutations.NAMES else figures.what
        print(f"{database}: | {' | '.join(figures.row())} |", file=sys.stderr, flush=True)
        for problem in figures.problems():
            print(f"{database}: {problem}", file=sys.stderr, flush=True)
    return found


@contextmanager
def _database(database: str, server: str, part: str) -> Iterator[dict[str, str]]:
    """Give an environment with an empty database; one in a file is made by the part itself."""
    environment = {key: value for key, value in os.environ.items() if key != "DATABASE_URL"}
    if database == "sqlite":
        yield environment
        return
    if part == "promotion":
        with first_server() as variables:
            yield environment | variables
        return
    name = f"key_portal_chaos_{os.getpid()}_{part}".replace("-", "_").replace(" ", "_")
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
        try:
            yield environment | {"DATABASE_URL": server.rpartition("/")[0] + "/" + name}
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type]


if __name__ == "__main__":
    sys.exit(main())
