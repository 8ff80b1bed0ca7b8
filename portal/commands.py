"""Runs management commands: for `manage.py` and the demo's `make manage`."""

import sys
from collections.abc import Sequence

from django.core.management import execute_from_command_line

from keys_app import __version__


def run(arguments: Sequence[str]) -> None:
    """Run the management command in `arguments`, which begin with the program's name, as `sys.argv` does.

    `version` prints the portal's; Django would answer with its own. It needs no settings.
    """
    if list(arguments[1:]) in (["version"], ["--version"]):
        sys.stdout.write(f"{__version__}\n")
    else:
        execute_from_command_line(list(arguments))
