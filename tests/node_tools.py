"""Node and its packages, for the few tests that need them."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

NODE = Path(__file__).resolve().parent / "node"


def require_node(package: str, what: str) -> str:
    """Return the program. Without it, or without a package, tests are skipped, or fail under CI=true."""
    node, npm, folder = shutil.which("node"), shutil.which("npm"), NODE / "node_modules" / package
    with (NODE / "package-lock.json").open() as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # of several that test together, one installs it
        if node and npm and not folder.is_dir():
            options = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
            subprocess.run([npm, "ci", *options], cwd=NODE, check=False, capture_output=True)
    if node and folder.is_dir():
        return node
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} needs node and npm, and CI=true needs its tests")
    pytest.skip(f"{what}: no node, or no {package}, was found on this machine")
