"""One look at one account by the reconciler: what Twilio lists, and how much may still be done."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import TypeGuard

from django.conf import settings
from django.utils import timezone

from keys_app.core.actor import Actor
from keys_app.core.isolation import note_failure
from keys_app.keys.models import ApiKey
from keys_app.organisation.models import Account
from keys_app.permissions.naming import find_marker
from keys_app.twilio_errors.words import in_a_line
from keys_app.twilio_iam.client import TwilioIamClient
from keys_app.twilio_iam.ensure_deleted import IsStillThere
from keys_app.twilio_iam.errors import Rejected, TwilioError
from keys_app.twilio_iam.types import KeySummary

ITSELF = "The portal itself failed; see its log."
CLOCKS_APART = timedelta(seconds=60)
"""How far Twilio's clock may be from the portal's, when a date in the listing says that a key was changed."""


@dataclass
class RunFindings:
    """What one run did, in numbers."""

    accounts_failed: int = 0
    orphans_deleted: int = 0
    never_created: int = 0
    still_open: int = 0
    connections_closed: int = 0
    revoked: int = 0
    not_revoked: int = 0
    lapsed: int = 0
    vanished: int = 0
    reappeared: int = 0
    compared: int = 0
    drifted: int = 0
    unreadable: int = 0
    drift_cleared: int = 0
    unmanaged_new: int = 0
    unmanaged_gone: int = 0
    reminded: int = 0
    owners_left: int = 0
    failures: int = 0


@dataclass
class Visit:
    """`listed` is Twilio's whole list by SID, from a listing begun at `began_at`; empty before `list_keys`.

    `incarnation` is that of the database, empty if its mark cannot be read; `set_back_at` is when it was last found to
    be older than the world, None if never, and `held` whether that still waits for a person. `doubts` are the keys that
    only bear a marker of the portal, by SID: the marker, and what was weighed. `problem` is what Twilio said first of
    what went wrong, `said` what it said last of single keys and attempts. Where it contradicts itself is in
    `still_there` and `contradictions`, where it agrees again in `agreed`: see `contradictions.py`. `is_refused`
    says that Twilio refused the credential itself something, which only a portal admin can mend.
    """

    client: TwilioIamClient
    account: Account
    actor: Actor
    found: RunFindings
    progress: Callable[[str], None]
    listed: dict[str, KeySummary] = field(default_factory=dict)
    listed_twice: set[str] = field(default_factory=set)
    began_at: datetime = field(default_factory=timezone.now)
    looks_left: int = field(default_factory=lambda: settings.RECONCILE_LOOKS)
    deletes_left: int = field(default_factory=lambda: settings.RECONCILE_DELETES)
    problem: str = ""
    is_listed: bool = False
    incarnation: str = ""
    held: bool = False
    set_back_at: datetime | None = None
    doubts: dict[str, tuple[str, dict[str, list[str]]]] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    still_there: dict[str, str] = field(default_factory=dict)
    contradictions: set[str] = field(default_factory=set)
    agreed: set[str] = field(default_factory=set)
    is_refused: bool = False

    def list_keys(self) -> None:
        """Page through all keys. A SID that is listed twice counts once. Raises `TwilioError` unless it is whole."""
        began_at = timezone.now()
        listed: dict[str, KeySummary] = {}
        twice: set[str] = set()
        for key in self.client.list_keys(account_sid=self.account.sid):
            if key.sid in listed and not _moved(listed[key.sid], key, began_at):
                twice.add(key.sid)
            listed[key.sid] = key
            if not len(listed) % 1000:
                self.progress(f"{self.account}: {len(listed)} keys listed")
        for known in ("by_marker", "strangers"):
            self.__dict__.pop(known, None)
        self.listed, self.listed_twice, self.began_at = listed, twice, began_at

    def listed_now(self) -> set[str]:
        """Return the SIDs of a whole listing that begins now, to judge what Twilio has said since the first.

        Raises `TwilioError` unless it is whole.
        """
        return {key.sid for key in self.client.list_keys(account_sid=self.account.sid)}

    def note_words(self, subject: str, error: TwilioError) -> None:
        """Keep what Twilio said of a key or attempt that waits for it, and where that contradicts what it lists."""
        if subject:
            self.said[subject] = words_of(error)
        if isinstance(error, IsStillThere):
            self.still_there[error.key_sid] = error.message

    def agree(self, what: str, sid: str) -> None:
        """Note that Twilio does not contradict itself in this about a key."""
        self.agreed.add(f"{what}:{sid}")

    @contextmanager
    def attempt(self, what: str, subject: object = "") -> Iterator[None]:
        """Let only this key fail. What will meet the next call to Twilio as well is raised, to end the step."""
        try:
            yield
        except TwilioError as error:
            self.problem = self.problem or words_of(error)
            self.note_words(str(subject), error)
            self.is_refused = self.is_refused or _refuses_credential(error)
            if is_about_all(error):
                raise
        except Exception as error:  # noqa: BLE001 whatever it is about this key, the others must still have their turn
            self.problem = self.problem or ITSELF
            note_failure(f"{what} on {self.account}", subject, error)

    @cached_property
    def by_marker(self) -> dict[str, list[KeySummary]]:
        """The listed keys that carry a marker of the portal; a copied name makes it several for one."""
        marked: dict[str, list[KeySummary]] = {}
        for key in self.listed.values():
            if marker := find_marker(key.friendly_name):
                marked.setdefault(marker, []).append(key)
        return marked

    @cached_property
    def strangers(self) -> dict[str, list[KeySummary]]:
        """Those of `by_marker` that are no keys of the portal, as it was when this was first asked for."""
        mine = set(ApiKey.objects.filter(account=self.account).values_list("sid", flat=True))
        others = {marker: [key for key in keys if key.sid not in mine] for marker, keys in self.by_marker.items()}
        return {marker: keys for marker, keys in others.items() if keys}

    def strangers_now(self, marker: str) -> list[KeySummary]:
        """Return the listed keys with a marker that are no keys of the portal by now."""
        keys = self.strangers.get(marker, [])
        mine = ApiKey.objects.filter(pk__in=[key.sid for key in keys]).values_list("sid", flat=True) if keys else ()
        return [key for key in keys if key.sid not in set(mine)]

    def may_look(self) -> bool:
        """Take one fetch off what this run may still do; false if nothing is left."""
        self.looks_left -= 1
        return self.looks_left >= 0

    def may_delete(self) -> bool:
        """Take one deletion off what this run may still do; false if nothing is left."""
        self.deletes_left -= 1
        return self.deletes_left >= 0


def _moved(first: KeySummary, again: KeySummary, began_at: datetime) -> bool:
    """Tell whether a key is listed twice because it was changed while the pages were read, which moves its place."""
    changed = again.date_updated
    recently = changed is not None and changed > began_at - CLOCKS_APART
    return recently and changed != first.date_updated and first.date_created == again.date_created


def is_about_all(error: TwilioError) -> bool:
    """Tell whether an error will meet the next call as well: Twilio does not answer, or not to this credential."""
    return not isinstance(error, Rejected) or _refuses_credential(error)


def _refuses_credential(error: TwilioError) -> TypeGuard[Rejected]:
    return isinstance(error, Rejected) and error.status in (401, 403)


def words_of(error: TwilioError) -> str:
    """Return Twilio's words, and of a refused credential what that means and what to do."""
    return f"{error.said}. {in_a_line(error.form)}" if _refuses_credential(error) else error.message


def chunks(values: list[str], size: int = 500) -> Iterator[list[str]]:
    """Cut a list into parts that fit into one query."""
    for start in range(0, len(values), size):
        yield values[start : start + size]
