"""The portal's management commands with the points and the pace of a kill test: `python -m tests.chaos.manage`."""

import sys

import django
from django.core.management import execute_from_command_line

from . import mutations, pace, points

if __name__ == "__main__":
    django.setup()
    points.install()
    pace.install()
    mutations.install()
    with points.doing("reconcile"):
        execute_from_command_line(sys.argv)
