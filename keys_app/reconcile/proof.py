"""Weighs whether a listed key is the one that an attempt of the portal made. A name is a hint, not proof.

Anyone with access to the account can copy a name; an old key may bear the marker of a new attempt; and the database may
be older than the key. Only a key that passes every test is deleted without a person.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from keys_app.catalogue.models import Probe
from keys_app.connections.models import Connection
from keys_app.connections.others import is_the_portals_own
from keys_app.core.present import present
from keys_app.core.times import duration, second
from keys_app.key_requests.models import Issuance
from keys_app.key_requests.queries import COMMIT_MARGIN
from keys_app.key_requests.states import IssuanceState
from keys_app.keys.models import ApiKey
from keys_app.twilio_iam.types import KeySummary

from .account_run import Visit
from .models import UnmanagedKey

ROUNDING = timedelta(seconds=5)
"""Twilio's dates, and the header its clock is read from, are in whole seconds."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What was written down before Twilio was asked for a key: of an issuance, a probe or a check of a credential.

    `until` is when Twilio may have made it at the latest, by the portal's clock. `why_none` says why it made no key, or
    another one; empty if this one may be its.
    """

    marker: str
    began: datetime
    until: datetime
    incarnation: str | None
    why_none: str = ""


@dataclass
class Weighed:
    """What says that a key is an attempt's, and what does not, a sentence each."""

    fits: list[str] = field(default_factory=list)
    fails: list[str] = field(default_factory=list)
    others_mark: bool = False
    """It fails only because it may have begun under another host's mark, whose reconciler still has time to tell."""

    @property
    def proves(self) -> bool:
        return not self.fails

    @property
    def for_a_person(self) -> bool:
        return not (self.proves or self.others_mark)

    def to_json(self) -> dict[str, list[str]]:
        return {"fits": self.fits, "fails": self.fails}

    def test(self, holds: bool, fit: str, fail: str) -> bool:
        """Note the outcome of one test, and return it."""
        (self.fits if holds else self.fails).append(fit if holds else fail)
        return holds


def of_issuance(issuance: Issuance, sid: str) -> Attempt:
    """Return an issuance as an attempt that key `sid` is to be weighed for."""
    until = issuance.started_at + timedelta(seconds=settings.TWILIO_DEADLINE) + COMMIT_MARGIN
    return Attempt(issuance.marker, issuance.started_at, until, issuance.incarnation, _why_none(issuance, sid))


def _why_none(issuance: Issuance, sid: str) -> str:
    if issuance.state in (IssuanceState.REFUSED, IssuanceState.NOT_PROCESSED):
        return f"Twilio made no key for this attempt: {issuance.message or issuance.get_state_display()}"
    made = issuance.key_sid or issuance.orphan_sid
    return f"This attempt made another key, {made}." if made and made != sid else ""


def of_probe(probe: Probe, sid: str) -> Attempt:
    """Return a throwaway key of a check as an attempt that key `sid` is to be weighed for."""
    why_none = f"This check made another key, {probe.key_sid}." if probe.key_sid and probe.key_sid != sid else ""
    if probe.finished_at and probe.finished_at < probe.in_flight_until and not probe.key_sid:
        why_none = "Twilio made no key for this check."
    return Attempt(probe.marker, probe.started_at, probe.in_flight_until, probe.incarnation, why_none)


def of_connection(connection: Connection, sid: str) -> Attempt:
    """Return a check of a credential as an attempt that key `sid` is to be weighed for."""
    made, why_none = connection.key_sid, ""
    if made != sid and (made or connection.settled_at):
        why_none = f"This check made another key, {made}." if made else "This check ended without a key."
    began = present(connection.asked_at)
    until = began + timedelta(seconds=settings.TWILIO_DEADLINE) + COMMIT_MARGIN
    return Attempt(connection.marker, began, until, connection.incarnation, why_none)


def weigh(visit: Visit, key: KeySummary, attempt: Attempt) -> Weighed:
    """Put a listed key with the attempt's marker to every test."""
    found = Weighed(fits=["Its name has the marker of an attempt of the portal."])
    known = ApiKey.objects.filter(pk=key.sid).exists()
    found.test(not known, "It is no key of the portal.", "It is a key of the portal.")
    seen = UnmanagedKey.objects.filter(pk=key.sid).exists()
    found.test(not seen, "It was not known before.", "It was known before as a key the portal never made.")
    own = is_the_portals_own(key.sid)
    found.test(not own, "The portal does not work with it.", "The portal itself works with it.")
    alone = len(visit.by_marker[attempt.marker]) == 1
    found.test(alone, "No other key has this marker.", "Several keys have this marker.")
    found.test(not attempt.why_none, "The attempt may have made a key.", attempt.why_none)
    recent = timezone.now() - attempt.began <= settings.ORPHAN_WITHIN
    old = f"The attempt began at {second(attempt.began)} UTC, more than {duration(settings.ORPHAN_WITHIN)} ago."
    found.test(recent, "The attempt is recent.", old)
    _test_window(visit, key, attempt, found)
    before = visit.set_back_at is not None and attempt.began <= visit.set_back_at
    after = "It began before the database was found to be older than the world."
    found.test(not before, "It began after any loss of records that is known.", after)
    so_far = not found.fails
    here = attempt.incarnation is not None and attempt.incarnation == visit.incarnation
    found.test(here, "It began on this incarnation of the database.", _why_not_here(visit, attempt))
    waits = timezone.now() - attempt.began <= settings.STUCK_AFTER
    found.others_mark = so_far and not here and attempt.incarnation is not None and waits
    return found


def proved_key(visit: Visit, marker: str, made: str, *, is_open: bool, attempt_with: Callable[[str], Attempt]) -> str:
    """Return the SID of the key that is provably a throwaway key's; empty if none is. What is doubtful is noted.

    `made` is the SID that Twilio's answer gave, empty without one: it is proved, while its attempt is open or it is
    listed. `attempt_with` returns the attempt that another key is to be weighed for.
    """
    proved = made if is_open or made in visit.listed else ""
    for key in visit.strangers_now(marker):
        if key.sid == made:
            continue
        weighed = weigh(visit, key, attempt_with(key.sid))
        if weighed.for_a_person:
            visit.doubts[key.sid] = (marker, weighed.to_json())
        elif weighed.proves:
            proved = key.sid
    return proved


def _why_not_here(visit: Visit, attempt: Attempt) -> str:
    if attempt.incarnation is None:
        return "It began under a version of the portal that did not write down on which database."
    if not visit.incarnation:
        return "The mark outside the database cannot be read."
    return "It began on another incarnation of the database, or under the mark of another host."


def _test_window(visit: Visit, key: KeySummary, attempt: Attempt, found: Weighed) -> None:
    """Test whether Twilio made the key, by its own clock, while the attempt was under way."""
    ahead = visit.client.clock_ahead
    if key.date_created is None or ahead is None:
        found.fails.append("Twilio does not say when it was made.")
        return
    made = f"Twilio made it at {second(key.date_created)} UTC"
    first, last = attempt.began + ahead - ROUNDING, attempt.until + ahead + ROUNDING
    within = f"{second(first)} to {second(last)}"
    found.test(first <= key.date_created <= last, f"{made}, during the attempt.", f"{made}, not from {within}.")
