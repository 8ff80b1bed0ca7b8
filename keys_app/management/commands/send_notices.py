import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from keys_app.services.mail_sending import Sent
from keys_app.services.sending import send_notices


class Command(BaseCommand):
    help = "Send the mails and webhook deliveries that are due, the daily digest, and what lapses within a day."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--every", type=int, metavar="SECONDS", help="go on, with this pause between runs")

    def handle(self, *args: Any, **options: Any) -> None:
        every = options["every"]
        if every is None:
            self._once()
            return
        if every < 1:
            raise CommandError("--every needs at least 1 second.")
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        while not stop.is_set():
            self._report(send_notices(stop.is_set)[0], quiet=True)
            stop.wait(every)

    def _once(self) -> None:
        sent, failed = send_notices()
        self._report(sent)
        if failed or sent.not_yet or sent.gave_up:
            raise CommandError("Not everything could be sent; see above.")

    def _report(self, sent: Sent, quiet: bool = False) -> None:
        if not quiet or sent != Sent():
            self.stdout.write(f"{sent.done} notices sent; {sent.not_yet} to be tried again; {sent.gave_up} given up")
