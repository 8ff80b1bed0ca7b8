"""What has one place in the code, so that a second copy can't grow beside it."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def product():
    """Return the product's Python files but for the migrations, which keep what was."""
    files = [*(ROOT / "keys_app").rglob("*.py"), *(ROOT / "portal").rglob("*.py")]
    return [file for file in files if "migrations" not in file.parts]


def test_rows_are_locked_in_one_place():
    assert [file.name for file in product() if ".select_for_update(" in file.read_text()] == ["db.py"]


def test_the_ledger_is_written_to_in_one_place():
    assert [file.name for file in product() if "ledger.append(" in file.read_text()] == ["actors.py"]


def test_moments_are_written_in_one_place():
    writes = re.compile(r"\.isoformat\(|strftime\(|:%Y")
    assert [file.name for file in product() if writes.search(file.read_text())] == ["times.py"]
