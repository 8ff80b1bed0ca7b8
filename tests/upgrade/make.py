"""Makes the dumps that `test_upgrade.py` brings up to date: `python -m tests.upgrade.make [postgres://…]`.

Run it on the version that the dumps are of, never again on a later one. Without an address it writes `sqlite.sql`; with
one, whose database has to be empty, `postgresql.sql`, which takes PostgreSQL's own `pg_dump`.
"""

import os
import re
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

HERE = Path(__file__).resolve().parent
NOT_FOR_ALL = re.compile(r"^(SET |SELECT pg_catalog\.set_config|\\).*\n", re.MULTILINE)


def main(url: str = "") -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DATABASE_URL"] = url or f"sqlite:///{folder}/portal.sqlite3"
        os.environ["PORTAL_CHECKPOINT_DIR"] = f"{folder}/checkpoints"
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
        fill()
        if url:
            (HERE / "postgresql.sql").write_text(postgresql(url))
        else:
            (HERE / "sqlite.sql").write_text(sqlite(Path(folder) / "portal.sqlite3"))


def fill() -> None:
    """Let the cast do what leaves keys and requests in several states behind, as a portal of this version does it."""
    import django

    django.setup()
    from django.conf import settings
    from django.contrib.sessions.models import Session
    from django.core.management import call_command
    from django.db import connection

    from keys_app.models import Account
    from tests.cast import assemble
    from tests.twilio_iam.simulator import StandIn

    call_command("migrate", verbosity=0)
    with StandIn() as simulator:
        settings.TWILIO_IAM_BASE_URL = urlsplit(simulator.base_url)
        cast = assemble(simulator)
        use(cast)
        call_command("audit_checkpoint", stdout=sys.stderr)
        requests(cast)  # events after the checkpoint
    Account.objects.update(credential_ciphertext="not in this dump")
    Session.objects.all().delete()
    connection.close()


def use(cast: Any) -> None:
    """Leave keys behind that are confirmed, not confirmed, retiring, and revoked."""
    _, confirmed, retiring, revoked = (key_of(cast, name) for name in ("fresh", "confirmed", "retiring", "revoked"))
    engineer = cast.client("engineer")
    for sid, action, fields in (
        (confirmed, "confirm", {}),
        (retiring, "rotate", {"overlap_hours": "24"}),
        (revoked, "revoke", {"reason": "No longer needed."}),
    ):
        answer = engineer.post(f"/keys/{sid}/{action}/", fields)
        assert answer.status_code in (200, 302), answer.content.decode()


def key_of(cast: Any, name: str) -> str:
    key_request, _ = cast.issued(friendly_name=name)
    return str(key_request.keys.get().sid)


def requests(cast: Any) -> None:
    """Leave requests behind that wait, are half approved, approved, narrowed, refused and withdrawn."""
    from tests.cast import MAKE_KEYS, READ_MESSAGES

    cast.ask(friendly_name="waits")
    cast.decide("lead", cast.ask(friendly_name="half-approved", permissions=MAKE_KEYS), "approve")
    cast.approved(friendly_name="approved")
    narrowed = cast.ask(friendly_name="narrowed", permissions=READ_MESSAGES)
    cast.narrow("lead", narrowed, READ_MESSAGES[:1])
    cast.decide("lead", cast.ask(friendly_name="refused"), "reject", "Use the shared one.")
    cancelled = cast.ask(friendly_name="cancelled")
    cast.client("engineer").post(f"/requests/{cancelled.pk}/cancel/")


def sqlite(file: Path) -> str:
    connection = sqlite3.connect(file)
    return "".join(f"{line}\n" for line in connection.iterdump())


def postgresql(url: str) -> str:
    """Return the dump without what only `psql` understands, or only servers of one version."""
    command = ["pg_dump", "--no-owner", "--no-privileges", "--rows-per-insert=1000", url]
    dump = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return NOT_FOR_ALL.sub("", dump)


if __name__ == "__main__":
    main(*sys.argv[1:])
