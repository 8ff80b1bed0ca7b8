"""Makes a new database file with mode 0600, and lets a statement have as many parameters as SQLite itself takes.

SQLite gives the files beside it, `-wal` and `-shm`, the same mode.
"""

import os
from contextlib import suppress
from typing import Any

from django.db.backends.sqlite3 import base, features

PRIVATE = 0o600


class DatabaseFeatures(features.DatabaseFeatures):
    """Django's, but that the mails to a hundred users are one statement, and not one for each fifty.

    Django counts on 999 parameters, as SQLite had before 3.32; this is its limit since. https://sqlite.org/limits.html
    """

    max_query_params = 32766


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's, but for the mode of a file that is not there yet."""

    features_class = DatabaseFeatures

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        name = str(conn_params["database"])
        if not conn_params.get("uri") or not name.startswith(("file:", ":memory:")):
            with suppress(
                FileExistsError, FileNotFoundError
            ):  # it is there, or its directory isn't, as SQLite will say
                os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE))
        return super().get_new_connection(conn_params)
