"""What tells one database from another. It does not show every restore: a copy may keep all of it."""

from django.db import connection

from keys_app.core import db_file
from keys_app.core.db import for_database

_CLUSTER = """
    SELECT (SELECT system_identifier FROM pg_control_system())
           || ' ' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)
           || ' ' || (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def identifiers() -> str:
    """Return the database's identifiers as one line.

    PostgreSQL: the cluster's system identifier, its timeline, which a promoted standby begins anew, and the database's
    oid. SQLite: device and inode of the file this process has open.
    """
    return for_database(sqlite=_file, postgresql=_cluster)()


def _cluster() -> str:
    with connection.cursor() as cursor:
        cursor.execute(_CLUSTER)
        return f"postgresql {cursor.fetchone()[0]}"


def _file() -> str:
    connection.ensure_connection()
    device, inode = db_file.opened()
    return f"sqlite {device} {inode}"
