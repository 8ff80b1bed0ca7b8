import logging
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import close_old_connections

from keys_app.management.repeating import add_every, pause_of, runs, stopped_by_signal
from keys_app.management.resume import Resume
from keys_app.notifications import heartbeats
from keys_app.reconcile.account_run import RunFindings
from keys_app.reconcile.queries import finished_lately
from keys_app.reconcile.run import reconcile
from keys_app.wording import findings_in_words

log = logging.getLogger(__name__)


class Command(BaseCommand):
    help = (
        "Compare the portal's records with Twilio's and settle what differs: delete keys nobody has the secret of, "
        "delete expired keys, retry revocations, note what was changed or made outside the portal, hand over the keys "
        "of owners who left, remind of expiries, lapse what waited too long, end feed tokens that are over, "
        "and write the sums of repeated events. May run in several places at once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_every(parser)
        parser.add_argument(
            "--resume",
            action="store_true",
            help="instead of a run, list what is held after a set-back of the database",
        )
        parser.add_argument("--keep", action="append", default=[], metavar="SK…", help="keep this key (repeatable)")
        parser.add_argument("--delete", action="append", default=[], metavar="SK…", help="delete it (repeatable)")
        parser.add_argument("--yes", action="store_true", help="end the hold, when no key is left to keep or delete")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["resume"]:
            Resume(self.stdout.write).run(options["keep"], options["delete"], end=options["yes"])
            return
        if options["keep"] or options["delete"] or options["yes"]:
            raise CommandError("--keep, --delete and --yes go with --resume.")
        every = pause_of(options)
        watched = self.stdout.isatty() or options["verbosity"] > 1
        progress = _beating(self._say if watched else lambda _: None)
        if every is None:
            self._once(progress)
            return
        stop = stopped_by_signal()
        since = heartbeats.start(heartbeats.RECONCILER, every)
        for _ in runs(stop):
            try:
                self._report(reconcile(progress=progress, wait=stop.wait), quiet=not watched)
                heartbeats.beat(heartbeats.RECONCILER)
            except Exception:  # whatever it is, keys past their lifetime must still be deleted by a later run
                log.exception("the run failed; the next one tries again")
                close_old_connections()
            heartbeats.look(since)
            stop.wait(every)

    def _once(self, progress: Callable[[str], None]) -> None:
        found = reconcile(progress=progress)
        heartbeats.beat(heartbeats.RECONCILER)
        self._report(found)
        if found.accounts_failed or found.not_revoked or found.failures:
            raise CommandError("Not everything could be settled; see above and run it again.")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()

    def _report(self, found: RunFindings, quiet: bool = False) -> None:
        """Write what was found; with `quiet` only if there is something that is not seen in every run."""
        if not quiet or any(count for name, count in vars(found).items() if name != "compared"):
            self._say(findings_in_words(vars(found)))


def _beating(say: Callable[[str], None]) -> Callable[[str], None]:
    """Return what takes the lines of a run, and beats with each while some run was finished lately.

    So a long run is not silent, but one that never gets to its end is, however often it is started.
    """

    def line(text: str) -> None:
        if finished_lately():
            heartbeats.beat(heartbeats.RECONCILER)
        say(text)

    return line
