"""Makes a new database file with mode 0600. SQLite gives the files beside it, `-wal` and `-shm`, the same."""

import os
from contextlib import suppress
from typing import Any

from django.db.backends.sqlite3 import base

PRIVATE = 0o600


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's, but for the mode of a file that is not there yet."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        name = str(conn_params["database"])
        if not conn_params.get("uri") or not name.startswith(("file:", ":memory:")):
            with suppress(
                FileExistsError, FileNotFoundError
            ):  # it is there, or its directory isn't, as SQLite will say
                os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE))
        return super().get_new_connection(conn_params)
