"""Whether this process can answer a page: everything a page needs, looked at the way a page does.

Each check returns what is wrong in words for the operator, without a path, an address or a value; empty if nothing is.
"""

import hmac
import logging
from collections.abc import Callable
from functools import cache
from importlib import import_module

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.cache import cache as page_cache
from django.core.exceptions import ImproperlyConfigured
from django.db import Error, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest
from django.template.loader import render_to_string

from keys_app.catalogue.current import current_catalogue
from keys_app.core import db
from keys_app.notifications import heartbeats
from keys_app.organisation.credentials import can_decrypt_credentials
from keys_app.permissions.presets import templates
from keys_app.views.http.bearer import take_bearer

log = logging.getLogger(__name__)


def problem(request: HttpRequest) -> str:
    """Return the first thing that keeps this process from answering pages, empty if it is ready.

    Costs a few queries, each bounded, and one small page.
    """
    try:
        for check in (_database, _encryption_keys, _static_files, _operators_files, _sessions):
            if found := check():
                return found
        render_to_string("404.html", request=request)  # it has what every page has
    except Error:
        return "the database does not answer"
    except Exception:
        log.exception("a page cannot be rendered")
        return "pages cannot be rendered; the log says why"
    return ""


def workers(request: HttpRequest) -> tuple[int, str]:
    """Return status and text of how the processes beside the portal are, a line each: 503 if one is not well.

    For who shows `PORTAL_METRICS_TOKEN`: 404 where none is set, 401 without it.
    """
    if not settings.METRICS_TOKEN:
        return 404, "set PORTAL_METRICS_TOKEN to ask for workers"
    shown = take_bearer(request)
    if shown is None or not hmac.compare_digest(shown.reveal().encode(), settings.METRICS_TOKEN.encode()):
        return 401, "show PORTAL_METRICS_TOKEN as Authorization: Bearer …"
    try:
        said, well = heartbeats.lines()
    except Error:
        return 503, "the database does not answer"
    return (200 if well else 503), "\n".join(said)


def _database() -> str:
    if set(_shipped_migrations()) - set(MigrationRecorder(connection).applied_migrations()):
        return "migrations are missing: run manage.py migrate"
    return "the database can only be read" if db.is_read_only() else ""


@cache
def _shipped_migrations() -> tuple[tuple[str, str], ...]:
    return tuple(MigrationLoader(None).graph.nodes)


def _encryption_keys() -> str:
    if can_decrypt_credentials():
        return ""
    return "no stored credential can be decrypted: PORTAL_ENCRYPTION_KEYS lacks the key they were encrypted with"


def _static_files() -> str:
    try:
        _static_addresses()
    except ValueError:
        return "static files are missing: run manage.py collectstatic, then start this process again"
    return ""


@cache
def _static_addresses() -> tuple[str, ...]:
    """Return the address of each static file, which a page asks for by its name. Raises `ValueError` if one has none.

    Remembered once it went well: a process reads the list of collected files only once.
    """
    return tuple(staticfiles_storage.url(name) for finder in get_finders() for name, _ in finder.list([]))


def _operators_files() -> str:
    checks: dict[str, Callable[[], object]] = {
        "PORTAL_CATALOGUE_FILE": current_catalogue,
        "PORTAL_TEMPLATES_FILE": lambda: templates(settings.TEMPLATES_FILE),
    }
    for name, read in checks.items():
        try:
            read()
        except (ImproperlyConfigured, OSError, ValueError) as error:
            log.error("%s: %s", name, error)
            return f"the file that {name} names cannot be used; the log says why"
    return ""


def _sessions() -> str:
    import_module(settings.SESSION_ENGINE).SessionStore().exists("ready")
    page_cache.get("ready")
    return ""
