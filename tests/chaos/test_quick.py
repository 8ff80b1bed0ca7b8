"""The quick part of the kill test, on the database that the tests run on; `make chaos` runs the whole."""

import os
import subprocess
import sys

from tests.browser.checkout import ROOT


def kill_test(*parts: str) -> "subprocess.CompletedProcess[str]":
    database = "postgresql" if os.environ.get("DATABASE_URL", "").startswith("postgres") else "sqlite"
    command = [sys.executable, "-m", "tests.chaos", "--database", database, "--parts", ",".join(parts)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)


def test_it_loses_no_key_and_no_event_and_the_kill_test_would_notice():
    """With restores, a SIGTERM while a key is issued, and a portal broken on purpose, which has to be found out."""
    done = kill_test("quick", "restore-quick", "stop", "post-first")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "broken on purpose" in done.stdout
