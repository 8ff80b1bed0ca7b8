"""Heartbeats of what runs beside the portal, and who notices when one stops.

Each loop beats when it has finished a round. Any process, a web process too, looks at the others' beats: the first that
finds one older than three intervals takes on the alarm and sends it by itself, from a thread of its own, since the
sender may be what is silent.
"""

import logging
import threading
import time
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connections, transaction
from django.db.models import Q
from django.utils import timezone

from keys_app.core.actor import Actor
from keys_app.core.db import compare_and_swap
from keys_app.core.isolation import isolated
from keys_app.core.text import counted
from keys_app.core.times import duration, moment

from .mail import MailOutbox
from .models import Heartbeat, Trouble
from .outbox import Outbox
from .troubles import REMIND_AFTER, SILENT, Seen, end_within, remind_within, see_within
from .webhooks import WebhookOutbox

log = logging.getLogger(__name__)

RECONCILER, SENDER, SIGNER, PUSHER = "reconciler", "sender", "signer", "pusher"
NEEDED = (RECONCILER, SENDER)
"""What no portal does without."""
WHAT = {
    RECONCILER: ("reconcile", "Keys outlive their expiry, and keys whose secret was lost stay at Twilio."),
    SENDER: ("send_notices", "Mails and webhook deliveries wait in the database."),
    SIGNER: ("audit_checkpoint", "The ledger is not signed, so a replaced history would not show."),
    PUSHER: ("audit_push", "The audit's events are not pushed."),
}
"""The command of each process, and what it means that it is silent."""
MISSED = 3
LEAST = timedelta(seconds=60)
"""A process may be silent so long, however short its interval is: one slow mail server is no alarm."""
SENDING_SECONDS = 60.0
ACTOR = Actor.system("heartbeats")


def start(name: str, interval: int) -> datetime:
    """Note that a loop with this interval in seconds begins, which is no beat yet; return when. Never raises."""
    now = timezone.now()
    with isolated("heartbeats", name):
        first = {"interval": interval, "beat_at": now}
        _, is_new = Heartbeat.objects.get_or_create(name=name, defaults=first)
        if not is_new:
            Heartbeat.objects.filter(name=name).update(interval=interval)
    return now


def beat(name: str) -> None:
    """Note that a process has finished a round, and that its silence is over. Never raises."""
    with isolated("heartbeats", name):
        Heartbeat.objects.filter(name=name).update(beat_at=timezone.now())
        row = Heartbeat.objects.filter(name=name, alarmed_at__isnull=False).first()
        if row is not None:
            _end(row)


def _end(row: Heartbeat) -> None:
    with transaction.atomic(durable=True):
        if not compare_and_swap(row, Q(alarmed_at=row.alarmed_at), alarmed_at=None):
            return
        trouble = Trouble.objects.filter(key=_key(row.name)).first()
        if trouble is not None:
            end_within(trouble, ACTOR)


def allowed(row: Heartbeat) -> timedelta:
    """Return how long a process may be silent."""
    return max(MISSED * timedelta(seconds=row.interval), LEAST)


def is_silent(row: Heartbeat, now: datetime) -> bool:
    """Tell whether a process has not finished a round for longer than it may."""
    return now - row.beat_at > allowed(row)


def is_configured(name: str) -> bool:
    """Tell whether a process is wanted with these settings."""
    wanted = {SIGNER: settings.AUDIT_SIGNING_KEY, PUSHER: settings.AUDIT_PUSH_URL}
    return bool(wanted.get(name, True))


def silent() -> list[Heartbeat]:
    """Return the processes that have run before, are wanted, and have missed three intervals."""
    now = timezone.now()
    return [row for row in Heartbeat.objects.order_by("name") if is_configured(row.name) and is_silent(row, now)]


def look(watched_since: datetime) -> list[threading.Thread]:
    """Start a thread for each silent process that no one has told of within a day; return the threads.

    `watched_since` is when the process that looks began to: after all were stopped together, each gets the time to
    finish its first round. Costs one query while all is well. Never raises.
    """
    started: list[threading.Thread] = []
    with isolated("heartbeats"):
        now = timezone.now()
        told_before = now - REMIND_AFTER
        for row in silent():
            if now - watched_since <= allowed(row):
                continue
            if row.alarmed_at is None or row.alarmed_at <= told_before:
                thread = threading.Thread(target=_tell, args=(row,), name=f"alarm-{row.name}", daemon=True)
                thread.start()
                started.append(thread)
    return started


def _tell(row: Heartbeat) -> None:
    """Claim the alarm and send it. Runs in a thread of its own, with connections of its own."""
    try:
        with isolated("heartbeats", row.name):
            begun = timezone.now()
            if _claim(row):
                _send(begun)
    finally:
        connections.close_all()


def _claim(row: Heartbeat) -> bool:
    """Queue the alarm, unless another process was first or the silence is over."""
    with transaction.atomic(durable=True):
        as_read = Q(beat_at=row.beat_at, alarmed_at=row.alarmed_at)
        if not compare_and_swap(row, as_read, alarmed_at=timezone.now()):
            return False
        known = Trouble.objects.filter(key=_key(row.name), ended_at=None, told_at__isnull=False).first()
        return remind_within(known) if known else see_within(_seen(row), ACTOR)


def _seen(row: Heartbeat) -> Seen:
    command, means = WHAT.get(row.name, (row.name, ""))
    seconds = counted(row.interval, "second")
    words = (
        f"manage.py {command} has finished no round since {moment(row.beat_at)}; it should every {seconds}. "
        f"{means} Start it again, or see what its log says."
    )
    return Seen(_key(row.name), SILENT, f"The {row.name} is silent", words, row.beat_at)


def _key(name: str) -> str:
    return f"{SILENT}:{name}"


def _send(begun: datetime) -> None:
    """Send the alarms that were queued since `begun` from here, as far as that goes within a minute.

    What is not taken is tried again by the sender, as any notice.
    """
    ends = time.monotonic() + SENDING_SECONDS
    boxes: list[Outbox[Any]] = [WebhookOutbox(since=begun)]
    if settings.SENDS_MAIL:
        boxes.append(MailOutbox(since=begun))
    for box in boxes:
        with isolated("sending an alarm"):
            box.run(lambda: time.monotonic() > ends)


def lines() -> tuple[list[str], bool]:
    """Return how each process is, a line each, and whether all that should run do."""
    now, rows, well = timezone.now(), {row.name: row for row in Heartbeat.objects.all()}, True
    said = []
    for name in WHAT:
        if not is_configured(name):
            continue
        row = rows.get(name)
        if row is None:
            well &= name not in NEEDED
            said.append(f"{name}: has never run")
            continue
        state = "silent" if is_silent(row, now) else "ok"
        well &= state == "ok"
        said.append(f"{name}: {state}, last round {duration(now - row.beat_at)} ago, every {row.interval} s")
    return said, well
