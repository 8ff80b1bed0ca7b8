import logging
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import close_old_connections
from django.template.defaultfilters import pluralize

from keys_app.audit.export.forward import configured, push
from keys_app.core.errors import NotConfigured, PortalError
from keys_app.core.retry import Backoff
from keys_app.management.repeating import add_every, pause_of, runs, stopped_by_signal
from keys_app.notifications import heartbeats

log = logging.getLogger(__name__)

LONGEST_PAUSE = 600


class Command(BaseCommand):
    help = (
        "Push the audit's events that were not pushed yet to PORTAL_AUDIT_PUSH_URL: a webhook (https://…) or syslog "
        "(syslog+tls://host:port, syslog+tcp://…, syslog+udp://…). Each event arrives at least once, in order."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_every(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        every = pause_of(options)
        try:
            target = configured()
            if every is None:
                sent = push(target)
                done = "another process pushes now" if sent is None else f"{sent} event{pluralize(sent)} pushed"
                self.stdout.write(done)
                return
        except NotConfigured as error:
            raise CommandError(error.message) from None
        except PortalError as error:
            raise CommandError(f"{error.message} The next run goes on from there.") from None
        self._go_on(target, every)

    def _go_on(self, target: Any, every: int) -> None:
        """Push until a signal; after a failure wait longer each time, up to ten minutes."""
        stop, failed = stopped_by_signal(), 0
        since = heartbeats.start(heartbeats.PUSHER, every)
        pauses = Backoff(first=every, factor=2, longest=max(every, LONGEST_PAUSE))
        for _ in runs(stop):
            try:
                push(target)
                failed = 0
                heartbeats.beat(heartbeats.PUSHER)
            except Exception as error:  # noqa: BLE001 whatever it is, the events must still arrive by a later run
                failed += 1
                reason = error.message if isinstance(error, PortalError) else type(error).__name__
                log.warning("pushing the audit failed, tried again in %.0f s: %s", pauses.after(failed + 1), reason)
                close_old_connections()
            heartbeats.look(since)
            stop.wait(pauses.after(failed + 1))
