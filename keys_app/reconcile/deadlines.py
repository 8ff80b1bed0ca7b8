"""What waits for Twilio: told once it has waited `STUCK_AFTER` longer than the portal itself needs to settle it."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from keys_app.catalogue.models import Probe
from keys_app.connections.models import Connection
from keys_app.core.actor import Actor
from keys_app.core.times import moment
from keys_app.key_requests.models import Issuance
from keys_app.key_requests.states import OPEN_ISSUANCES
from keys_app.keys.models import ApiKey
from keys_app.keys.queries import OWNER_LEFT
from keys_app.keys.states import KeyState
from keys_app.notifications import troubles
from keys_app.organisation.models import Account

from .models import AccountCheck, UnmanagedKey

Waiting = tuple[troubles.Seen, timedelta]
"""What waits, and how long the portal itself may take to settle it."""
SOON = timedelta(0)


def note_waiting(said: Mapping[str, str], actor: Actor) -> None:
    """Keep what waits, tell what has waited too long, and end what does not wait any more. Call it at a run's end.

    `said` is what Twilio said in this run, by the SID of a key or the marker of an attempt.
    """
    waiting = list(_everything(said))
    troubles.see_all([(seen, own + settings.STUCK_AFTER) for seen, own in waiting], actor)
    troubles.end_others({seen.key for seen, _ in waiting}, troubles.STUCK, actor)


def _everything(said: Mapping[str, str]) -> Iterator[Waiting]:
    errors = dict(AccountCheck.objects.exclude(last_error="").values_list("account_id", "last_error"))
    words = _Words(said, errors)
    yield from _revoking_keys(words)
    yield from _ended_keys(words)
    yield from _open_attempts(words)
    yield from _begun_orphans(words)
    yield from _open_probes(words)
    yield from _decided_deletions(words)
    yield from _open_connections(words)


class _Words:
    """What Twilio said of what waits: of the key or attempt itself, else of its account."""

    def __init__(self, said: Mapping[str, str], errors: Mapping[str, str]) -> None:
        self._said, self._errors = said, errors

    def of(self, account: Account, *names: str) -> str:
        found = next((self._said[name] for name in names if name in self._said), "") or self._errors.get(account.sid)
        return f"Twilio's last words: {found}" if found else "Twilio has not been asked about it in this run."


def _revoking_keys(words: _Words) -> Iterator[Waiting]:
    for key in ApiKey.objects.filter(state=KeyState.REVOKING).select_related("account"):
        since = key.revoking_since or timezone.now()  # of an older version it is not known
        title = f"Key {key.sid} is to be deleted and may still work"
        yield _of_key(key, title, words.of(key.account, key.sid), since), SOON


def _ended_keys(words: _Words) -> Iterator[Waiting]:
    now = timezone.now()
    over = Q(expires_at__lte=now) | Q(retires_at__lte=now) | (OWNER_LEFT & Q(handover_by__lte=now))
    for key in ApiKey.objects.filter(over, state=KeyState.ACTIVE).select_related("account"):
        ends = [at for at in (key.expires_at, key.retires_at, key.handover_by) if at is not None and at <= now]
        said = f"The portal has not begun to delete it. {words.of(key.account, key.sid)}"
        yield _of_key(key, f"Key {key.sid} is past its end and still active", said, min(ends)), SOON


def _decided_deletions(words: _Words) -> Iterator[Waiting]:
    decided = UnmanagedKey.objects.filter(delete_since__isnull=False, gone_at=None).select_related("account")
    for entry in decided:
        title = f"Key {entry.sid} is to be deleted, as a person decided, and is not"
        since = entry.delete_since or timezone.now()
        yield _of_key(entry, title, words.of(entry.account, entry.sid), since), SOON


def _of_key(key: ApiKey | UnmanagedKey, title: str, words: str, since: datetime) -> troubles.Seen:
    name, path = f"{troubles.STUCK}:{key.sid}", key.get_absolute_url()
    return troubles.Seen(name, troubles.STUCK, title, words, since, account=key.account, key_sid=key.sid, path=path)


def _open_attempts(words: _Words) -> Iterator[Waiting]:
    own = timedelta(seconds=settings.TWILIO_DEADLINE) + settings.RECONCILE_GRACE
    for attempt in Issuance.objects.filter(state__in=OPEN_ISSUANCES).select_related("request__account"):
        yield _of_attempt(attempt, attempt.started_at, words), own


def _begun_orphans(words: _Words) -> Iterator[Waiting]:
    """Keys of attempts that are closed: when their deletion began is known by when it was first seen here."""
    begun = Issuance.objects.exclude(orphan_sid="").exclude(state__in=OPEN_ISSUANCES)
    for attempt in begun.select_related("request__account"):
        yield _of_attempt(attempt, timezone.now(), words), SOON


def _of_attempt(attempt: Issuance, since: datetime, words: _Words) -> troubles.Seen:
    account, sid = attempt.request.account, attempt.orphan_sid or attempt.key_sid
    return troubles.Seen(
        f"{troubles.STUCK}:{attempt.marker}",
        troubles.STUCK,
        f"The attempt {attempt.marker} to issue a key is not settled",
        f"It began at {moment(attempt.started_at)}. {words.of(account, sid, attempt.marker)}",
        since,
        account=account,
        key_sid=sid,
        path=attempt.request.get_absolute_url(),
    )


def _open_probes(words: _Words) -> Iterator[Waiting]:
    for probe in Probe.objects.filter(finished_at=None).select_related("account"):
        seen = troubles.Seen(
            f"{troubles.STUCK}:{probe.marker}",
            troubles.STUCK,
            f"The throwaway key {probe.marker} of a check is not settled",
            words.of(probe.account, probe.key_sid, probe.marker),
            probe.started_at,
            account=probe.account,
            key_sid=probe.key_sid,
        )
        in_flight = max(probe.in_flight_until - probe.started_at, SOON)
        yield seen, in_flight + settings.RECONCILE_GRACE


def _open_connections(words: _Words) -> Iterator[Waiting]:
    """Throwaway keys of attempts to connect an account that the portal has; of others `connections.attempt` tells."""
    accounts = {account.sid: account for account in Account.objects.all()}
    for one in Connection.objects.filter(settled_at=None, asked_at__isnull=False, account_sid__in=accounts):
        account, asked_at = accounts[one.account_sid], one.asked_at or one.started_at
        seen = troubles.Seen(
            f"{troubles.STUCK}:{one.marker}",
            troubles.STUCK,
            f"The throwaway key {one.marker} of an attempt to connect an account is not settled",
            words.of(account, one.key_sid, one.marker),
            asked_at,
            account=account,
            key_sid=one.key_sid,
        )
        yield seen, max(one.in_flight_until - asked_at, SOON) + settings.RECONCILE_GRACE
