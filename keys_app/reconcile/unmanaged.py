"""Keeps an inventory of the keys on an account that the portal never made. They are never touched here."""

from datetime import timedelta

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from keys_app.audit.record import record
from keys_app.catalogue.models import Probe
from keys_app.connections.models import Connection
from keys_app.core.db import compare_and_swap
from keys_app.key_requests.models import Issuance
from keys_app.keys.models import ApiKey
from keys_app.notifications import notify
from keys_app.permissions.seen_policy import NoPolicy
from keys_app.twilio_iam.ensure_deleted import shows_key
from keys_app.twilio_iam.errors import Rejected, clean
from keys_app.twilio_iam.types import KeySummary

from . import contradictions
from .account_run import CLOCKS_APART, Visit, chunks
from .models import UnmanagedKey

TAKING = "taking the inventory"
NEW_PER_RUN = 500
"""How many new entries one run makes for an account; the next run goes on."""

SEEN_AGAIN_AFTER = timedelta(hours=1)
"""How exact `last_seen` is."""


def take_inventory(visit: Visit) -> None:
    """Enter keys that are neither the portal's nor on their way to be, note what is gone, fetch new policies."""
    strangers = _strangers(visit)
    known = {key.sid: key for key in UnmanagedKey.objects.filter(account=visit.account)}
    new = sorted(sid for sid in strangers if sid not in known or known[sid].gone_at)[:NEW_PER_RUN]
    if new:
        _enter_all(visit, new)
    with visit.attempt(TAKING):
        _note_doubts(visit, [sid for sid in strangers if sid in known])
    with visit.attempt(TAKING):
        _note_seen(visit, [sid for sid in strangers if sid in known])
    _note_missing(visit)
    with visit.attempt(TAKING):
        _note_standard(visit)
    _fetch_policies(visit)


def _strangers(visit: Visit) -> list[str]:
    """Return the listed SIDs that nothing of the portal accounts for.

    Read after the listing: an intent is committed before its key is made, so a key that is listed has one. A key with
    the marker of an attempt is a stranger only if it was weighed and left to a person.
    """
    mine = set(ApiKey.objects.filter(account=visit.account).values_list("sid", flat=True))
    marked = visit.by_marker
    for markers in chunks(sorted(marked)):
        attempts = Issuance.objects.filter(request__account=visit.account, marker__in=markers)
        probes = Probe.objects.filter(account=visit.account, marker__in=markers)
        checks = Connection.objects.filter(account_sid=visit.account.sid, marker__in=markers)
        for rows in (attempts, probes, checks):
            named = {key.sid for marker in rows.values_list("marker", flat=True) for key in marked[marker]}
            mine |= named - visit.doubts.keys()
    return [sid for sid in visit.listed if sid not in mine]


def _enter_all(visit: Visit, sids: list[str]) -> None:
    """Enter all in one transaction, with one alarm; if one of them fails, each in its own."""
    try:
        _enter(visit, sids)
    except Exception:  # noqa: BLE001 it is found, and told, below
        for sid in sids:
            with visit.attempt(TAKING, sid):
                _enter(visit, [sid])


def _enter(visit: Visit, sids: list[str]) -> None:
    """Add entries, or open them again, with an event for each and one alarm for all."""
    entered: list[UnmanagedKey] = []
    with transaction.atomic(durable=True):
        for sid in sorted(sids):  # two reconcilers take the rows in the same order
            entry, is_new = UnmanagedKey.objects.get_or_create(sid=sid, defaults=_values(visit, visit.listed[sid]))
            here = {"gone_at": None, "missing_since": None, "last_seen": visit.began_at}
            if is_new or compare_and_swap(entry, Q(gone_at__isnull=False), **here):
                entered.append(entry)
        _alarm(visit, [entry.sid for entry in entered if not (entry.is_the_portals or entry.weighed)])
        _alarm_of_doubts(visit, [entry.sid for entry in entered if entry.weighed])
        for entry in entered:
            name = entry.friendly_name
            record("key.unmanaged_seen", visit.actor, account=visit.account, key_sid=entry.sid, name=name)
    visit.found.unmanaged_new += len(entered)


def _values(visit: Visit, key: KeySummary) -> dict[str, object]:
    return {
        "account": visit.account,
        "friendly_name": clean(key.friendly_name or "")[:200],
        "created_at": key.date_created,
        "first_seen": visit.began_at,
        "last_seen": visit.began_at,
        **_doubt(visit, key.sid),
    }


def _doubt(visit: Visit, sid: str) -> dict[str, object]:
    """Return what an entry says of the attempt whose marker the key bears; nothing for one that bears none."""
    marker, weighed = visit.doubts.get(sid, (None, None))
    return {"marker": marker, "weighed": weighed} if marker else {}


def _note_doubts(visit: Visit, sids: list[str]) -> None:
    """Put before a person what was known as a stranger's before it bore the marker of an attempt."""
    for part in chunks([sid for sid in sids if sid in visit.doubts]):
        for entry in UnmanagedKey.objects.filter(pk__in=part, gone_at=None, adopted_at=None, marker=None):
            with transaction.atomic(durable=True):
                if compare_and_swap(entry, Q(marker=None), **_doubt(visit, entry.sid)):
                    _alarm_of_doubts(visit, [entry.sid])
                    marker = visit.doubts[entry.sid][0]
                    record("key.doubtful", visit.actor, account=visit.account, key_sid=entry.sid, marker=marker)


def _alarm_of_doubts(visit: Visit, sids: list[str]) -> None:
    """Tell Security of keys that wait for their decision."""
    if sids:
        one = len(sids) == 1
        count = "A key" if one else f"{len(sids)} keys"
        notify.notify(
            "alarm.key_in_doubt",
            title=f"{count} on {visit.account} may be the portal's own, without a record",
            text=f"{_few(sids)}. The name has a marker of the portal, but that does not prove whose it is. Keep or "
            "delete it: the portal does neither by itself.",
            path=f"/keys/unmanaged/{sids[0]}/" if one else "/reconciliation/",
        )


def _few(sids: list[str]) -> str:
    more = f" and {len(sids) - 5} more" if len(sids) > 5 else ""
    return f"{', '.join(sids[:5])}{more}"


def _alarm(visit: Visit, sids: list[str]) -> None:
    if not sids:
        return
    count = "A key" if len(sids) == 1 else f"{len(sids)} keys"
    notify.notify(
        "alarm.unmanaged_key",
        title=f"{count} on {visit.account} that the portal never made",
        text=f"Seen for the first time: {_few(sids)}. {_standard_among(visit, sids)}The portal leaves them alone until "
        "they are adopted.",
        path="/keys/unmanaged/",
    )


def _standard_among(visit: Visit, sids: list[str]) -> str:
    """Return how many of these keys the listing says are Standard keys, as a sentence; empty if none."""
    number = sum(visit.listed[sid].is_standard for sid in sids)
    if len(sids) == 1:
        return "It is a Standard key, with full access. " if number else ""
    return f"Standard keys among them, with full access: {number}. " if number else ""


def _note_seen(visit: Visit, sids: list[str]) -> None:
    stale = Q(last_seen__lt=visit.began_at - SEEN_AGAIN_AFTER) | Q(missing_since__isnull=False)
    for part in chunks(sids):
        rows = UnmanagedKey.objects.filter(stale, pk__in=part, gone_at=None)
        rows.update(last_seen=visit.began_at, missing_since=None)


def _note_missing(visit: Visit) -> None:
    """Call an entry gone when two listings in a row lack it, and Twilio answers 404 for it."""
    here = UnmanagedKey.objects.filter(account=visit.account, gone_at=None, adopted_at=None)
    for entry in here.filter(first_seen__lt=visit.began_at):
        if entry.sid not in visit.listed:
            with visit.attempt(TAKING, entry.sid):
                _note_unlisted(visit, entry)


def _note_unlisted(visit: Visit, entry: UnmanagedKey) -> None:
    if entry.missing_since is None or entry.missing_since >= visit.began_at:
        compare_and_swap(entry, Q(gone_at=None, missing_since=None), missing_since=timezone.now())
        return
    if not visit.may_look() or _is_there(visit, entry):
        return
    with transaction.atomic(durable=True):
        if compare_and_swap(entry, Q(gone_at=None), gone_at=timezone.now()):
            record("key.unmanaged_gone", visit.actor, account=visit.account, key_sid=entry.sid)
            visit.found.unmanaged_gone += 1


def _is_there(visit: Visit, entry: UnmanagedKey) -> bool:
    """Tell whether Twilio shows an entry that it does not list. Raises `TwilioError` where it does not answer."""
    if shows_key(visit.client, entry.sid):
        contradictions.lacks_what_is_there(visit, entry.sid, entry.get_absolute_url())
        return True
    visit.agree(contradictions.UNLISTED, entry.sid)
    return False


def _note_standard(visit: Visit) -> None:
    """Enter which keys the listing says are Standard keys: those need no fetch."""
    here = UnmanagedKey.objects.filter(account=visit.account, adopted_at=None).exclude(no_policy=NoPolicy.STANDARD)
    for part in chunks([sid for sid, key in visit.listed.items() if key.is_standard]):
        values = {"no_policy": NoPolicy.STANDARD, "policy_json": "", "checked_at": timezone.now()}
        here.filter(pk__in=part).update(**values)


def _fetch_policies(visit: Visit) -> None:
    """Fetch the policies of entries that nobody looked at yet, or that changed since. Raises `TwilioError`."""
    here = UnmanagedKey.objects.filter(account=visit.account, gone_at=None, adopted_at=None)
    doubted = contradictions.doubted(visit)
    for entry in here.order_by(F("checked_at").asc(nulls_first=True), "sid"):
        listed = visit.listed.get(entry.sid)
        if listed is None or not (entry.sid in doubted or _is_due(entry, listed)):
            continue
        if not visit.may_look():
            return
        with visit.attempt(TAKING, entry.sid):
            _fetch_policy(visit, entry)


def _is_due(entry: UnmanagedKey, listed: KeySummary) -> bool:
    """Tell whether a fetch says more: no one looked, it was changed, or an earlier version did not keep what it saw."""
    if listed.is_standard:
        return False
    if entry.checked_at is None or not (entry.policy_json or entry.no_policy):
        return True
    changed = listed.date_updated
    return changed is not None and changed > entry.checked_at - CLOCKS_APART


def _fetch_policy(visit: Visit, entry: UnmanagedKey) -> None:
    visit.found.compared += 1
    try:
        detail = visit.client.fetch_key(entry.sid)
    except Rejected as error:
        if error.status != 404:
            raise
        words = f"Twilio lists it, but answers for it: {error.message}"
        contradictions.lists_what_is_gone(visit, entry.sid, words, entry.get_absolute_url())
        return
    contradictions.compare_with_listing(visit, detail, entry.get_absolute_url())
    seen = NoPolicy.STANDARD if visit.listed[entry.sid].is_standard else detail.policy
    shown = (
        {"no_policy": seen.value, "policy_json": ""}
        if isinstance(seen, NoPolicy)
        else {"no_policy": "", "policy_json": seen.to_json()}
    )
    compare_and_swap(entry, Q(adopted_at=None), checked_at=timezone.now(), **shown)
