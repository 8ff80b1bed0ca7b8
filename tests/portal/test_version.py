"""The version: one home, shown where somebody who reports a fault looks for it."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from django.test import Client

from keys_app import __version__

ROOT = Path(__file__).resolve().parents[2]


def test_the_package_names_the_same_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == __version__


def test_a_command_prints_it_without_any_setting():
    command = [sys.executable, "manage.py", "version"]
    answer = subprocess.run(command, cwd=ROOT, env={}, capture_output=True, text=True, check=False)
    assert (answer.stdout, answer.stderr) == (f"{__version__}\n", "")


@pytest.mark.parametrize(
    ("role", "url"), [("engineer", "/"), ("engineer", "/nowhere/"), ("lead", "/admin/keys_app/keyrequest/")]
)
def test_each_page_shows_it_in_its_foot(cast, role, url):
    assert f"Key portal {__version__}" in _foot(cast.client(role).get(url))


def test_so_does_the_sign_in_page(db):
    assert f"Key portal {__version__}" in _foot(Client().get("/accounts/login/"))


def _foot(answer) -> str:
    return answer.content.decode().partition("<footer")[2].partition("</footer>")[0]
