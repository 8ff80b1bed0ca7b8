"""A portal with a database, people and a simulator of Twilio of its own, and what happened in it."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from tests.browser.checkout import ROOT, free_port
from tests.twilio_iam.simulator import StandIn

from . import pace
from .people import PASSWORD, Person, Shown
from .points import ORDER_FILE
from .portal_process import ForkedPortal, PortalProcess

POLICIES = (
    ("/twilio/billing/usage/read",),
    ("/twilio/messaging/messages/list", "/twilio/messaging/messages/read"),
    ("/twilio/voice/calls/create", "/twilio/voice/calls/list"),
)
ALARMS_TO = "security@portal.invalid"
"""Who gets every alarm by mail. No one else has an address, so that the queue holds alarms and little else."""

ENDING = ("revoke", "replace")
"""The buttons that end a key. A rotated one is ended as well: its owner chose when."""


class World:
    """Call `start()` once for each process, since Django's settings are read only once, and `stop()` at the end.

    `approved` maps each request to the policy its approver saw; `shown` lists every secret that somebody saw as
    request, SID and SHA-256; `secrets` are the same secrets, to search the logs for. `ended` are the keys that
    somebody pressed a button to end, `found` those that were in use before the portal knew them. `reported` holds what
    was found wrong so far, so that one fault is counted once; `patience` is how long settling may take, in seconds.
    """

    def __init__(self, directory: Path, patience: float = 90.0) -> None:
        self.directory = directory
        self.patience = patience
        self.order_file = directory / "order.json"
        self.standin = StandIn()
        self.approved: dict[str, tuple[str, ...]] = {}
        self.shown: list[tuple[str, str, str]] = []
        self.secrets: list[str] = []
        self.ended: set[str] = set()
        self.found: set[str] = set()
        self.reported: set[str] = set()
        self._lock = threading.Lock()

    def start(self, module: str = "tests.chaos.wsgi", *, forked: bool = False, **environment: str) -> None:
        """Start everything; `module` is what gunicorn serves, `environment` overrides variables of the portal.

        A `forked` portal starts and stops quickly.
        """
        port = free_port()
        self.standin.start()
        _configure(self.directory, self.standin, port)
        os.environ.update(environment)
        os.environ[ORDER_FILE] = str(self.order_file)
        _set_up(self.standin)
        kind = ForkedPortal if forked else PortalProcess
        self.portal = kind(self.directory / "portal.log", port=port, module=module).start()
        self.engineer = Person(self.portal.url, "engineer")
        self.lead = Person(self.portal.url, "lead")

    def stop(self) -> None:
        if hasattr(self, "portal"):
            self.portal.kill()
        self.standin.stop()

    def approved_request(self, name: str, engineer: Person | None = None, lead: Person | None = None) -> str:
        """Let the engineer ask for a key and the lead approve it. Return the request's id."""
        policy = POLICIES[len(self.approved) % len(POLICIES)]
        request_id = (engineer or self.engineer).ask(self.standin.account_sid, policy, name)
        (lead or self.lead).approve(request_id)
        with self._lock:
            self.approved[request_id] = policy
        return request_id

    def issue(self, request_id: str, engineer: Person | None = None) -> Shown:
        """Press “Issue key” and note the secret, if one is shown."""
        seen = (engineer or self.engineer).press(f"/requests/{request_id}/issue/")
        self.note(request_id, seen)
        return seen

    def note(self, request_id: str, seen: Shown) -> None:
        if seen.secret:
            with self._lock:
                self.shown.append((request_id, seen.sid, hashlib.sha256(seen.secret.encode()).hexdigest()))
                self.secrets.append(seen.secret)

    def rotate(self, sid: str, overlap_hours: int, engineer: Person | None = None) -> Shown:
        """Press “Rotate key” and note the secret of the successor, if one is shown."""
        from keys_app.keys.models import ApiKey

        seen = (engineer or self.engineer).press(f"/keys/{sid}/rotate/", overlap_hours=overlap_hours)
        if seen.status in (0, 200):  # in any other case the old key stays as it is
            self.ended.add(sid)
        self.note(str(ApiKey.objects.get(pk=sid).request_id), seen)
        return seen

    def press_key(self, sid: str, verb: str, who: Person | None = None, **fields: Any) -> Shown:
        """Press a button on a key's page, and note it if the key is ended by that."""
        if verb in ENDING:
            self.ended.add(sid)
        return (who or self.engineer).press(f"/keys/{sid}/{verb}/", **fields)

    def in_use(self) -> set[str]:
        """Return the SIDs of keys whose secret somebody has, and that nobody pressed a button to end."""
        return ({sid for _, sid, _ in self.shown} | self.found) - self.ended

    def order(self, verb: str, point: str, action: str = "kill") -> None:
        """Have the next process that gets there killed, or have something else done to it."""
        self.withdraw_order()
        new = self.order_file.with_suffix(".new")
        new.write_text(json.dumps({"verb": verb, "point": point, "action": action}))
        new.rename(self.order_file)

    def was_carried_out(self) -> bool:
        return self.order_file.with_suffix(".taken").exists()

    def withdraw_order(self) -> None:
        """Take back an order that nobody has carried out, and forget one that somebody has."""
        self.order_file.unlink(missing_ok=True)
        self.order_file.with_suffix(".taken").unlink(missing_ok=True)

    def remember(self) -> None:
        """Keep what people know now, for `recall`."""
        self._known = (dict(self.approved), list(self.shown), set(self.ended), set(self.found))

    def recall(self) -> None:
        """Let people know what they knew at the last `remember`. What they were shown since is still searched for."""
        approved, shown, ended, found = self._known
        self.approved, self.shown, self.ended, self.found = dict(approved), list(shown), set(ended), set(found)

    @property
    def checkpoints(self) -> Path:
        """Where the portal keeps what it writes outside its database."""
        return self.directory / "checkpoints"

    def leaks(self) -> list[str]:
        """Return the logs that hold a secret somebody was shown."""
        logs = {path.name: path.read_bytes() for path in self.directory.glob("*.log*")}
        return [name for name, text in logs.items() if any(secret.encode() in text for secret in self.secrets)]


def _configure(directory: Path, standin: StandIn, port: int) -> None:
    """Point Django, in this process and in those it starts, at this world."""
    from cryptography.fernet import Fernet

    pace.apply()
    os.environ.update(standin.environment)
    os.environ.update(
        {
            "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
            "PORTAL_SECRET_KEY": "only-for-a-kill-test-pV8sQ4nXc7LkZt2RwM9bJy5HgF3dEa6U",
            "PORTAL_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
            "PORTAL_ALLOWED_HOSTS": "127.0.0.1",
            "PORTAL_BASE_URL": f"http://127.0.0.1:{port}",
            "PORTAL_STATIC_ROOT": str(directory),
            "PORTAL_CHECKPOINT_DIR": str(directory / "checkpoints"),
            "EMAIL_URL": "dummymail://",  # mail is queued, and no one sends it
        }
    )
    os.environ.setdefault("DATABASE_URL", f"sqlite:///{directory / 'portal.sqlite3'}")


def _set_up(standin: StandIn) -> None:
    """Make the database and the cast, who all have one password."""
    manage = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(manage, cwd=ROOT, check=True)
    import django

    django.setup()
    from django.contrib.auth.hashers import make_password
    from django.contrib.auth.models import User

    from tests.cast import assemble

    assemble(standin)
    User.objects.update(password=make_password(PASSWORD))
    User.objects.filter(username="security").update(email=ALARMS_TO)
