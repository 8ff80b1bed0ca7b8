"""The quick part of the kill test, on the database that the tests run on; `make chaos` runs the whole."""

import os
import subprocess
import sys

from tests.browser.checkout import ROOT


def kill_test(*parts: str) -> "subprocess.CompletedProcess[str]":
    database = "postgresql" if os.environ.get("DATABASE_URL", "").startswith("postgres") else "sqlite"
    command = [sys.executable, "-m", "tests.chaos", "--database", database, "--parts", ",".join(parts)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)


def test_it_loses_no_key_and_no_event_when_it_is_killed():
    done = kill_test("quick")
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_finishes_the_key_it_is_issuing_when_it_is_told_to_stop():
    done = kill_test("stop")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_kill_test_notices_a_portal_that_asks_twilio_first():
    done = kill_test("post-first")
    assert "broken on purpose" in done.stdout
    assert done.returncode == 0, done.stdout + done.stderr
