"""Whether the encryption keys read what is stored: looked at when the portal is started, checked or migrated.

Gunicorn and `check --deploy` fail; `migrate` warns, since it needs no credential, and may bring a copy up to date.
Other commands don't ask: `connect_account` mends it, and `reconcile` does what needs no credential and tells Security.
"""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Warning
from django.db import Error as DatabaseError
from django.db import connection

from keys_app.core.text import joined
from keys_app.organisation.credentials import unreadable_credentials
from keys_app.users.factors import unreadable_factors

PROBLEM = "PORTAL_ENCRYPTION_KEYS reads none of the stored credentials of Twilio accounts."
MEND = (
    "Set the key they were encrypted with, after the new one if there is one. If it is lost, run manage.py "
    "connect_account for each account."
)
MEND_FACTORS = (
    "Set the key they were encrypted with, and run manage.py reencrypt_factors before it is dropped. If it is lost, "
    "run manage.py reset_factors for each of them."
)
BOOT_FAILED = 3
"""The exit status of a worker with which gunicorn ends instead of starting another."""


def warn(*, databases: Sequence[str] | None, **_: Any) -> list[CheckMessage]:
    """System check of `migrate` and `check --database default`, which fails neither."""
    return [Warning(found.msg, hint=found.hint, id="portal.W001") for found in _messages()] if databases else []


def check(**_: Any) -> list[CheckMessage]:
    """System check of `check --deploy`."""
    return _messages()


def refuse_worker(worker: Any) -> None:
    """Raise `SystemExit`, which ends gunicorn too, in a worker of it that could reach Twilio for no account."""
    found = _messages()
    connection.close()
    for message in found:
        if isinstance(message, Error):
            worker.log.error("%s %s", message.msg, message.hint)
            raise SystemExit(BOOT_FAILED)
        worker.log.warning("%s", message.msg)


def _messages() -> list[CheckMessage]:
    """Return an error if no credential can be read, a warning if some can't; nothing where there is no database yet."""
    try:
        unreadable, are_all = unreadable_credentials()
        factors_of = unreadable_factors()
    except DatabaseError:
        return []  # it is down, or empty: what needs it says so
    found: list[CheckMessage] = []
    if are_all:
        found.append(Error(PROBLEM, hint=MEND, id="portal.E002"))
    elif unreadable:
        what = f"PORTAL_ENCRYPTION_KEYS does not read the credential of {joined(unreadable)}."
        found.append(Warning(what, hint=MEND, id="portal.W001"))
    if factors_of:
        what = f"PORTAL_ENCRYPTION_KEYS does not read the second factors of {joined(factors_of)}."
        found.append(Warning(what, hint=MEND_FACTORS, id="portal.W008"))
    return found
