"""Eight processes append at once, on PostgreSQL: no gap, and a tree that is sound. `make bench` does 8 × 500."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

from keys_app.audit import verification
from keys_app.audit.ledger import matching

PROCESSES, EACH = 8, 60
APPEND = """
import sys
import django; django.setup()
from django.conf import settings
from django.db import connection
connection.settings_dict["NAME"] = sys.argv[1]
from tests.audit.tampering import fill
fill(int(sys.argv[2]), action=sys.argv[3])
"""
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="appends of 8 processes at once; SQLite serves one host")
def test_they_leave_no_gap(transactional_db):
    name = str(connection.settings_dict["NAME"])
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    running = [
        subprocess.Popen([sys.executable, "-c", APPEND, name, str(EACH), f"test.process_{number}"], cwd=ROOT, env=env)
        for number in range(PROCESSES)
    ]
    assert [process.wait(120) for process in running] == [0] * PROCESSES
    rows = list(matching().order_by("sequence").values_list("sequence", "action"))
    assert [row[0] for row in rows] == list(range(1, PROCESSES * EACH + 1))
    for number in range(PROCESSES):
        assert sum(row[1] == f"test.process_{number}" for row in rows) == EACH
    found = verification.Verification()
    assert list(found.run())[-1] == PROCESSES * EACH
    assert found.fault is None
