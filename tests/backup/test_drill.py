"""The restore drill of `docs/operating.md`, line by line as it stands there."""

import os
import re
import subprocess
import sys
import uuid

import psycopg
import pytest

from .place import ROOT, SQLITE

DOCS = (ROOT / "docs/operating.md").read_text()


def blocks() -> list[str]:
    """Return the drill's blocks of commands for the database in use."""
    drill = DOCS.partition("### A drill\n")[2].partition("\n## ")[0]
    found = re.findall(r"```\n(.*?)```\n", drill, re.DOTALL)
    sqlite, postgresql, portal, sqlite_lost, postgresql_lost, *others = found
    return [sqlite, portal, sqlite_lost, *others] if SQLITE else [postgresql, portal, postgresql_lost, *others]


@pytest.fixture
def script(tmp_path):
    """Return the drill as a script, with a folder and a database of its own."""
    name = f"key_portal_drill_{uuid.uuid4().hex[:8]}"
    text = "\n".join(blocks()).replace("$PWD/var/drill", str(tmp_path / "drill")).replace("key_portal_drill", name)
    text = text.replace(".venv/bin/python", sys.executable)
    if SQLITE:
        yield text
        return
    server = os.environ["DATABASE_URL"]
    yield text.replace("postgres://postgres@127.0.0.1:5432", server.rpartition("/")[0])
    with psycopg.connect(server, autocommit=True) as database:
        database.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")  # type: ignore[arg-type]


def test_the_drill_does_what_the_docs_say(script):
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PORTAL_", "TWILIO_", "DJANGO_"))
    }
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail"],
        input=script,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout
    assert done.returncode == 0, done.stderr
    assert "Not in it: the keys of the environment" in said
    assert "so this database is older than what was signed" in said
    assert "as it should: nothing is signed" in said
    assert "as it should: a person has to look" in said
    assert said.count("SEAM: part 2") == 2
    assert said.count("Reason: Drill: the database was lost") == 2
