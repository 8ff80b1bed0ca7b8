"""Two PostgreSQL servers on this machine: a primary, and an asynchronous replica that can be promoted."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import psycopg

from tests.browser.checkout import free_port

BINARIES = Path(os.environ.get("CHAOS_POSTGRESQL", "/usr/lib/postgresql/15/bin"))
OWNER = "postgres"
"""The servers run as this user, since PostgreSQL refuses to run as root."""

REPLICA_FILE = "CHAOS_REPLICA"
NAME = "portal"
SECONDS = 20


def is_installed() -> bool:
    return (BINARIES / "initdb").exists()


class Server:
    """A server with its data in a folder, reached at `port` of 127.0.0.1."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port

    def url(self, name: str = NAME) -> str:
        return f"postgres://{OWNER}@127.0.0.1:{self.port}/{name}"

    def start(self, port: int = 0) -> None:
        """Start it and wait until it answers, at another port if one is given."""
        self.port = port or self.port
        options = f"-p {self.port} -k {self.folder.parent} -c listen_addresses=127.0.0.1"
        log = self.folder.parent / "postgresql.log"
        _run("pg_ctl", "start", "--wait", f"--pgdata={self.folder}", f"--log={log}", f"--options={options}")

    def kill(self) -> None:
        """Stop it without warning: sessions end, and nothing is sent to a replica any more."""
        _run("pg_ctl", "stop", "--mode=immediate", f"--pgdata={self.folder}")

    def promote(self) -> None:
        _run("pg_ctl", "promote", "--wait", f"--pgdata={self.folder}")

    def ask(self, statement: str, name: str = "postgres") -> object:
        """Run a statement and return the first value of the first row, if there is one."""
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            cursor = connection.execute(statement)  # type: ignore[arg-type]
            row = cursor.fetchone() if cursor.description else None
            return row[0] if row else None


def new_primary(folder: Path) -> Server:
    """Make a server with an empty database for the portal, and start it."""
    shutil.chown(folder, OWNER)
    server = Server(folder / "primary", free_port())
    _run("initdb", "--auth=trust", f"--username={OWNER}", "--encoding=UTF8", f"--pgdata={server.folder}")
    server.start()
    server.ask(f"CREATE DATABASE {NAME}")
    return server


def new_replica(primary: Server, number: int) -> Server:
    """Copy a running primary, and start the copy as its replica."""
    replica = Server(primary.folder.parent / f"replica-{number}", free_port())
    source = f"--dbname={primary.url('postgres')}"
    _run("pg_basebackup", "--checkpoint=fast", "--write-recovery-conf", f"--pgdata={replica.folder}", source)
    replica.start()
    return replica


def stop_all(folder: Path) -> None:
    """Stop whatever servers run in a folder."""
    for data in folder.glob("*/postmaster.pid"):
        Server(data.parent, 0).kill()


def cut_off() -> None:
    """Let the replica have what is committed at this moment, and receive nothing from then on.

    Any process may do this: the replica's address stands in a file. Raises `RuntimeError` if it takes too long.
    """
    primary, replica = os.environ["DATABASE_URL"], Path(os.environ[REPLICA_FILE]).read_text()
    with psycopg.connect(primary, autocommit=True) as source, psycopg.connect(replica, autocommit=True) as copy:
        place = source.execute("SELECT pg_current_wal_flush_lsn()").fetchone()
        _wait(copy, f"SELECT pg_last_wal_replay_lsn() >= '{place[0] if place else ''}'::pg_lsn")
        copy.execute("ALTER SYSTEM SET primary_conninfo = ''")
        copy.execute("SELECT pg_reload_conf()")
        _wait(copy, "SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver)")


def _wait(connection: "psycopg.Connection[tuple[object, ...]]", question: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not (connection.execute(question).fetchone() or [False])[0]:  # type: ignore[arg-type]
        if time.monotonic() > deadline:
            raise RuntimeError(f"never true: {question}")
        time.sleep(0.005)


def _run(program: str, *arguments: str) -> None:
    command = [str(BINARIES / program), *arguments]
    if os.geteuid() == 0:
        command = ["setpriv", f"--reuid={OWNER}", f"--regid={OWNER}", "--init-groups", *command]
    done = subprocess.run(
        command, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{program}: {done.stderr.decode(errors='replace').strip()}")
