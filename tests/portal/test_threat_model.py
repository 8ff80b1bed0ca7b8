"""docs/threat-model.md names tests that are there, one at least for each item that is not left to another version."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
ITEMS = re.findall(r"^\| (\d+\.\d+\.\d+) .*\|(.*)\|$", (TESTS.parent / "docs/threat-model.md").read_text(), re.M)


def test_every_item_that_was_chosen_is_there():
    assert len(ITEMS) == len(dict(ITEMS)) == 30


@pytest.mark.parametrize(("item", "cell"), ITEMS)
def test_its_tests_are_there(item, cell):
    named = re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", cell)
    assert named or cell.strip() == "none"
    for file, test in named:
        assert f"def {test or 'test_'}" in (TESTS / file).read_text(), f"{item}: {file}::{test}"
