"""Asking a real account which permissions it accepts, with restricted keys that live for a moment.

Twilio has no call that lists its permissions, but it refuses to make a key with one that does not exist and
names it. So throwaway keys are made in batches and deleted at once; what Twilio refuses is taken out, noted,
and the rest asked for again. As with issuing, a `Probe` with a random marker is committed before each key is
asked for: whatever a process that dies leaves behind, `probes` finds and deletes. No secret is kept.
"""

import logging
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from functools import partial
from typing import TypeVar

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from keys_app.audit.incarnation import advance, check
from keys_app.audit.installation import identity
from keys_app.audit.record import record
from keys_app.core.actor import Actor
from keys_app.core.db import compare_and_swap
from keys_app.core.errors import (
    Conflict,
    PolicyBreach,
    PortalError,
    TwilioOutcomeUnknown,
    TwilioRefused,
    TwilioUnavailable,
)
from keys_app.core.isolation import isolated
from keys_app.core.retry import Backoff
from keys_app.organisation.credentials import client_for
from keys_app.organisation.models import Account
from keys_app.permissions.catalogue import WILDCARD
from keys_app.permissions.naming import marked_name, new_marker
from keys_app.permissions.policy import MAX_PERMISSIONS, Policy
from keys_app.permissions.seen_policy import SeenPolicy, departure, made_in_words
from keys_app.twilio_errors.table import NOT_ACCEPTED
from keys_app.twilio_errors.words import in_a_line
from keys_app.twilio_iam.client import TwilioIamClient
from keys_app.twilio_iam.ensure_deleted import delete_key
from keys_app.twilio_iam.errors import NotProcessed, Rejected, TwilioError

from . import current
from .models import CatalogueObservation, Probe

log = logging.getLogger(__name__)
Result = TypeVar("Result")

KEY_NAME = "catalogue check"
_ASSERTION = re.compile(r"assertion '([^']+)' is invalid")
CRITICAL = "/twilio/iam/"
TRIES = 5
LONGEST_WAIT = 60.0
"""Seconds to wait at most before one more try, whatever Twilio asks for."""
_PAUSES = Backoff(first=1, factor=2, longest=LONGEST_WAIT)
RUN_RECONCILE = "Run manage.py reconcile: it deletes a key that was left behind. Then check again."


@dataclass
class CatalogueReport:
    """How many permissions one check is about, what it found, and how many keys it made and deleted."""

    total: int
    accepted: int = 0
    refused: list[str] = field(default_factory=list)
    keys: int = 0


def permissions_to_check(*, include_iam: bool = False) -> list[str]:
    """Return what a check asks for: each permission of the current catalogue, never a wildcard.

    Those under /twilio/iam/ only with `include_iam`: for a moment there is a key that can make keys.
    """
    names = sorted(item.name for item in current.current_catalogue() if item.action != WILDCARD)
    return [name for name in names if include_iam or not name.startswith(CRITICAL)]


def check_catalogue(
    *,
    account: Account,
    actor: Actor,
    include_iam: bool = False,
    progress: Callable[[CatalogueReport], None] = lambda _: None,
    wait: Callable[[float], None] = time.sleep,
) -> CatalogueReport:
    """Find out which permissions an account accepts, and record each as a `CatalogueObservation`.

    `progress` is called after each answer; `wait` gets the seconds to wait when Twilio is busy. Raises
    `Conflict` for an account that is switched off, `PortalError` for an unreadable credential, both before
    Twilio is asked; `TwilioRefused`, `TwilioUnavailable`, `TwilioOutcomeUnknown` or `PolicyBreach` where it had to
    stop. What was learned until then stays recorded.
    """
    if not account.is_active:
        raise Conflict(f"{account} is switched off, so no key is made on it, not even for a moment.")
    names = permissions_to_check(include_iam=include_iam)
    found = CatalogueReport(total=len(names))
    with client_for(account) as client:
        _note("catalogue.check_started", account, actor, permissions=len(names), include_iam=include_iam)
        check = _Check(client, account, actor, found, progress, wait)
        try:
            for start in range(0, len(names), MAX_PERMISSIONS):
                check.ask_for(names[start : start + MAX_PERMISSIONS])
        except (TwilioError, PortalError) as error:
            problem = _explained(error) if isinstance(error, TwilioError) else error
            with isolated("recording why a catalogue check stopped"):
                _note("catalogue.check_stopped", account, actor, message=problem.message, **asdict(found))
            raise problem from None
        _note("catalogue.checked", account, actor, **asdict(found))
    return found


def _note(action: str, account: Account, actor: Actor, **details: object) -> None:
    with transaction.atomic(durable=True):
        record(action, actor, account=account, details=details)


def _explained(error: TwilioError) -> PortalError:
    """Return why the check stopped, with what to do now."""
    if isinstance(error, NotProcessed):
        what = f"Twilio did not take a request {TRIES} times: {error.message}."
        return TwilioUnavailable(what, code=error.code, next_step="No key is left. Check again later.")
    if not isinstance(error, Rejected):
        what = f"Twilio's answer is missing or cannot be used: {error.message}. A key may or may not exist."
        return TwilioOutcomeUnknown(what, next_step=RUN_RECONCILE)
    if error.status in (401, 403):
        what = f"Twilio did not accept the portal's credential for this account: {error.message}."
        return TwilioRefused(what, code=error.code, next_step=in_a_line(error.form))
    what = f"Twilio refused a key without naming one of its permissions: {error.message}."
    return TwilioRefused(what, code=error.code, next_step="Nothing is recorded about the permissions it was for.")


@dataclass
class _Check:
    """One run: asks, batch by batch, and counts in `found`."""

    client: TwilioIamClient
    account: Account
    actor: Actor
    found: CatalogueReport
    progress: Callable[[CatalogueReport], None]
    wait: Callable[[float], None]

    def ask_for(self, names: Sequence[str]) -> None:
        """Ask for a key with these permissions, each time without the one that Twilio refused."""
        left = list(names)
        while left:
            refused = self._patiently(partial(self._try, Policy.of(left)))
            if refused is None:
                self.found.accepted += len(left)
                left.clear()
            else:
                self.found.refused.append(refused)
                left.remove(refused)
            self.progress(self.found)

    def _patiently(self, call: Callable[[], Result]) -> Result:
        """Call again while Twilio says that it did not process the request, after waiting as it asks."""
        for tried in range(1, TRIES):
            try:
                return call()
            except NotProcessed as error:
                asked = _PAUSES.after(tried) if error.retry_after is None else error.retry_after
                self.wait(min(asked, LONGEST_WAIT))
        return call()

    def _try(self, policy: Policy) -> str | None:
        """Make a key and delete it. Return the permission that Twilio refused, None if it took all."""
        probe = self._record_intent(policy)
        try:
            return self._make_and_delete(probe, policy)
        except BaseException:
            # Also for Ctrl-C: nobody waits for Twilio's answer any more, so the reconciler may act at once.
            with isolated("letting the reconciler settle a catalogue check", probe.marker):
                Probe.objects.filter(pk=probe.pk).update(in_flight_until=timezone.now())
            raise

    def _make_and_delete(self, probe: Probe, policy: Policy) -> str | None:
        try:
            sid, answered = self._make(probe, policy)
        except (Rejected, NotProcessed) as error:
            refused = _named(error, policy)
            self._record_refusal(probe, error, refused)
            if refused is None:
                raise
            return refused
        made = made_in_words(answered, "the one it was asked for")
        if answered != policy:
            log.error("key %s of a catalogue check: %s", sid, made)
        try:
            self._record_key(probe, sid, policy, answered)
        except Exception:
            log.exception("key %s of a catalogue check could not be recorded", sid)
            delete_key(self.client, sid)
            what = f"Key {sid} was made for this check and deleted, but the database failed, so it proves nothing."
            raise TwilioOutcomeUnknown(what, next_step=RUN_RECONCILE) from None
        self._delete(probe, sid)
        if answered != policy:
            what = f"{made}. It was deleted, and proves nothing."
            raise PolicyBreach(what, next_step="Tell Security before you check again.")
        return None

    def _record_intent(self, policy: Policy) -> Probe:
        now = timezone.now()
        until = now + timedelta(seconds=settings.TWILIO_DEADLINE + 30)
        probe = Probe(
            account=self.account,
            marker=new_marker(identity()),
            incarnation=check.current(),
            started_at=now,
            in_flight_until=until,
        )
        with transaction.atomic(durable=True):
            probe.save()
            self._record("catalogue.key_started", probe, permissions=list(policy))
        advance.raise_mark()
        return probe

    @sensitive_variables()
    def _make(self, probe: Probe, policy: Policy) -> tuple[str, SeenPolicy]:
        """Ask Twilio once. Return SID and policy of the key; its secret ends with this call."""
        name = marked_name(KEY_NAME, probe.marker)
        created = self.client.create_restricted_key(account_sid=self.account.sid, friendly_name=name, policy=policy)
        return created.sid, created.policy

    def _record_refusal(self, probe: Probe, error: Rejected | NotProcessed, refused: str | None) -> None:
        with transaction.atomic(durable=True):
            self._observe([refused] if refused else [], accepted=False)
            close_probe(probe)
            details = {"permission": refused} if refused else {}
            self._record("catalogue.key_not_made", probe, twilio_code=error.code, message=error.message, **details)

    def _record_key(self, probe: Probe, sid: str, policy: Policy, seen: SeenPolicy) -> None:
        """Write down which key it is, before it is deleted, so that it need not be listed to be found."""
        different = departure(seen, policy)
        with transaction.atomic(durable=True):
            self._observe([] if different else policy, accepted=True)
            Probe.objects.filter(pk=probe.pk).update(key_sid=sid)
            self._record("catalogue.key_made", probe, key_sid=sid, as_asked=not different, **different)

    def _delete(self, probe: Probe, sid: str) -> None:
        try:
            self._patiently(partial(delete_key, self.client, sid))
        except TwilioError as error:
            what = f"Key {sid} was made for this check and could not be deleted: {error.message}."
            raise TwilioOutcomeUnknown(what, next_step=RUN_RECONCILE) from None
        self.found.keys += 1
        with transaction.atomic(durable=True):
            if close_probe(probe):  # otherwise the reconciler was first
                self._record("catalogue.key_deleted", probe, key_sid=sid)

    def _observe(self, names: Iterable[str], *, accepted: bool) -> None:
        seen = {"account": self.account, "accepted": accepted, "seen_at": timezone.now()}
        CatalogueObservation.objects.bulk_create(
            [CatalogueObservation(permission=name, **seen) for name in names],
            update_conflicts=True,
            unique_fields=["account", "permission"],
            update_fields=["accepted", "seen_at"],
        )

    def _record(self, action: str, probe: Probe, key_sid: str = "", **details: object) -> None:
        record(action, self.actor, account=self.account, key_sid=key_sid, marker=probe.marker, details=details)


def _named(error: Rejected | NotProcessed, policy: Policy) -> str | None:
    """Return which of the permissions a refusal names."""
    match = _ASSERTION.search(error.message) if error.code == NOT_ACCEPTED else None
    return match.group(1) if match and match.group(1) in policy else None


def close_probe(probe: Probe) -> bool:
    """Mark a probe as settled; tell whether it was open. Call it inside a transaction."""
    return compare_and_swap(probe, Q(finished_at=None), finished_at=timezone.now())
