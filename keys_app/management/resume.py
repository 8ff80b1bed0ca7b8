"""What `reconcile --resume` does: list what is held or in doubt, take decisions, and end the hold."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from django.core.management.base import CommandError

from keys_app.audit.incarnation import set_backs
from keys_app.core.actor import Actor
from keys_app.core.errors import PortalError
from keys_app.core.present import present
from keys_app.core.times import second
from keys_app.reconcile import holds
from keys_app.reconcile.doubtful import delete_key, keep_key
from keys_app.reconcile.models import UnmanagedKey

Result = TypeVar("Result")

SOMETHING_OPEN = 3
"""The exit status while there is a hold, or a key to decide about."""


class Resume:
    """One call of the command. `say` gets each line."""

    def __init__(self, say: Callable[[str], object]) -> None:
        self.say = say
        self.actor = Actor.operator("reconcile --resume")

    def run(self, keep: Sequence[str], delete: Sequence[str], *, end: bool) -> None:
        """Decide, end the hold if asked, and list what is left.

        Raises `CommandError`, with status 3 if something is open.
        """
        for sid in keep:
            key = self._decided(sid, lambda entry: keep_key(entry, self.actor))
            self.say(f"{sid} is kept" + (f", for {key.owner}." if key else "; a lead can adopt it."))
        for sid in delete:
            self._decided(sid, lambda entry: delete_key(entry, self.actor))
            self.say(f"{sid} is deleted in the next run.")
        if end and set_backs.is_held() and not holds.keys_in_doubt().exists():
            self._end()
        self._list()
        if set_backs.is_held() or holds.keys_in_doubt().exists():
            raise CommandError("Something is open; see above.", returncode=SOMETHING_OPEN)

    def _decided(self, sid: str, decide: Callable[[UnmanagedKey], Result]) -> Result:
        entry = holds.keys_in_doubt().filter(pk=sid).first()
        if entry is None:
            raise CommandError(f"{sid} is no key to keep or delete.")
        try:
            return decide(entry)
        except PortalError as error:
            raise CommandError(f"{sid}: {error.message}") from None

    def _end(self) -> None:
        try:
            holds.end(self.actor)
        except PortalError as error:
            raise CommandError(error.message) from None
        self.say("The hold is over. What waited is done in the next run.")

    def _list(self) -> None:
        for found in set_backs.open_set_backs():
            self.say(f"Held since {second(found.found_at)} UTC: {found.words}")
        for line in holds.held() if set_backs.is_held() else []:
            self.say(f"  waits: {line}")
        for entry in holds.keys_in_doubt():
            self.say(f"To keep or delete: {entry.pk} “{entry.friendly_name}” on {entry.account}")
            weighed = present(entry.weighed)
            for line in weighed["fits"]:
                self.say(f"  + {line}")
            for line in weighed["fails"]:
                self.say(f"  - {line}")
