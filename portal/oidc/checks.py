"""Whether the file of groups names what is there: `check --database default`, `migrate` and `check --deploy` say it."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.db import Error as DatabaseError

from keys_app.organisation.provider_groups import BadFile, rights_of_groups


def of_database(*, databases: Sequence[str] | None, **_: Any) -> list[CheckMessage]:
    """System check that fails nothing: teams may be added after `migrate`."""
    return [Warning(problem, id="portal.W008") for problem in _problems()] if databases else []


def check(**_: Any) -> list[CheckMessage]:
    """System check of `check --deploy`."""
    return [Error(problem, id="portal.E003") for problem in _problems()]


def _problems() -> list[str]:
    try:
        if settings.OIDC.groups_file:
            rights_of_groups(settings.OIDC.groups_file)
    except BadFile as error:
        return [error.message]
    except DatabaseError:
        return []  # which other checks say, and `migrate` mends
    return []
