"""What somebody who owns the database can do to the ledger: take its triggers off and write SQL."""

import contextlib

from django.db import connection, transaction

from keys_app.audit import triggers
from keys_app.audit.ledger import Entry, append


def fill(count, action="test.event"):
    """Append events, each in a transaction of its own."""
    for number in range(count):
        with transaction.atomic():
            append(Entry(action, "somebody", reason=f"reason {number}", details={"number": number}))


@contextlib.contextmanager
def unguarded():
    """Take the ledger's triggers off for a while."""
    taken_off = triggers.drop(connection)
    try:
        yield
    finally:
        triggers.create(connection, taken_off)


def sql(statement, *values):
    """Run a statement behind the portal's back."""
    with unguarded(), connection.cursor() as cursor:
        cursor.execute(statement, values)
