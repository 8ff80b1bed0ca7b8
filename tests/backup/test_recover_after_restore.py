"""A restored backup whose ledger is taken up again: killed on the way, backed up again, and restored once more."""

import shutil
import signal
from pathlib import Path

import pytest

KILLED = """
import os, signal, django; django.setup()
from django.core.management import call_command
from keys_app.management.commands import audit_recover
from keys_app.reconcile import ledger_recovery
def kill(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
{module}.{name} = kill
call_command("audit_recover", reason="killed")
"""
RECOVERED = "SELECT count(*) FROM audit_auditevent WHERE action = 'audit.recovered'"
PART = "SELECT coalesce(max(ledger_part), 1) FROM keys_app_installation"
SECOND = "127.0.0.1/audit/2"


@pytest.fixture
def behind(portal, new_place, tmp_path):
    """A portal restored from a backup, with a newer checkpoint outside than its ledger has events."""
    portal.run("backup", str(tmp_path / "backup"))
    portal.append(3, sign=True)
    place = new_place()
    shutil.copytree(portal.checkpoints, place.checkpoints)
    place.run("restore", str(tmp_path / "backup"))
    return place


def state(place):
    return place.rows(RECOVERED)[0][0], place.rows(PART)[0][0]


def test_a_kill_before_the_commit_leaves_nothing(behind):
    assert behind.start("-c", KILLED.format(module="ledger_recovery", name="record")).wait() == -signal.SIGKILL
    assert state(behind) == (0, 1)
    behind.run("audit_recover", "--reason", "again")
    assert state(behind) == (1, 2)
    assert "SEAM: part 2" in behind.run("audit_verify", "--processes", "1")


def test_a_kill_after_the_commit_is_made_up_for_by_the_signer(behind):
    killed = KILLED.format(module="audit_recover", name="sign_checkpoint")
    assert behind.start("-c", killed).wait() == -signal.SIGKILL
    assert state(behind) == (1, 2)
    assert "There is nothing to recover" in behind.refused("audit_recover", "--reason", "again")
    assert behind.run("audit_checkpoint").startswith(f"{SECOND}\n")
    assert "SEAM: part 2" in behind.run("audit_verify", "--processes", "1")
    assert state(behind) == (1, 2)


def test_a_backup_has_both_parts_and_verifies_elsewhere(behind, new_place, tmp_path):
    behind.run("audit_recover", "--reason", "The disk failed")
    behind.append(2, sign=True)
    behind.run("backup", str(tmp_path / "both"))
    taken = {str(path.relative_to(tmp_path / "both/checkpoints")) for path in checkpoints(tmp_path / "both")}
    assert {name.rpartition("/")[0] for name in taken} == {"", SECOND}
    place = new_place()
    assert "verified" in place.run("restore", str(tmp_path / "both"))
    assert "SEAM: part 2" in place.run("audit_verify", "--processes", "1")
    assert {str(path.relative_to(place.checkpoints)) for path in checkpoints(place.checkpoints)} == taken


def checkpoints(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.name.isdecimal()]


def test_an_older_backup_restored_beside_part_2_tells_what_is_ahead(behind, new_place, tmp_path):
    behind.run("audit_recover", "--reason", "The disk failed")
    behind.append(200, sign=True)
    place = new_place()
    shutil.copytree(behind.checkpoints, place.checkpoints)
    said = place.run("restore", str(tmp_path / "backup"))
    newest = max(int(path.name) for path in checkpoints(place.checkpoints))
    assert f"has a checkpoint of {newest} events" in said
    assert "but the ledger has only" in place.refused("audit_checkpoint")
    place.run("audit_recover", "--reason", "And again")
    assert state(place) == (1, 3)
