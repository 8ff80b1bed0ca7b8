import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from keys_app.management.repeating import add_every, pause_of, runs, stopped_by_signal
from keys_app.notifications import heartbeats
from keys_app.notifications.outbox import Sent
from keys_app.reconcile.send_notices import send_notices


class Command(BaseCommand):
    help = "Send the mails and webhook deliveries that are due, the daily digest, and what lapses within a day."

    def add_arguments(self, parser: CommandParser) -> None:
        add_every(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        every = pause_of(options)
        if every is None:
            self._once()
            return
        stop = stopped_by_signal()
        since = heartbeats.start(heartbeats.SENDER, every)
        for _ in runs(stop):
            self._report(send_notices(lambda: self._goes_on(stop))[0], quiet=True)
            heartbeats.beat(heartbeats.SENDER)
            heartbeats.look(since)
            stop.wait(every)

    def _goes_on(self, stop: threading.Event) -> bool:
        """Tell between two notices whether to stop; each is a sign of life, since a slow server makes a run long."""
        heartbeats.beat(heartbeats.SENDER)
        return stop.is_set()

    def _once(self) -> None:
        sent, failed = send_notices()
        self._report(sent)
        if failed or sent.not_yet or sent.gave_up:
            raise CommandError("Not everything could be sent; see above.")

    def _report(self, sent: Sent, quiet: bool = False) -> None:
        if not quiet or sent != Sent():
            self.stdout.write(f"{sent.done} notices sent; {sent.not_yet} to be tried again; {sent.gave_up} given up")
