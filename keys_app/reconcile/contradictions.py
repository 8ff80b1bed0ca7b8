"""What Twilio contradicts itself about: each is a trouble that names the key, and none is taken as deleted.

Listings may lag a little behind. What such a lag explains is told only when it has been so for `RECONCILE_GRACE`.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from keys_app.audit import ledger
from keys_app.core.times import moment
from keys_app.key_requests.models import Issuance
from keys_app.key_requests.states import OPEN_ISSUANCES
from keys_app.keys.models import ApiKey
from keys_app.keys.states import KeyState
from keys_app.notifications import troubles
from keys_app.permissions.policy import Policy
from keys_app.twilio_iam.types import KeyDetail, KeySummary

from .account_run import CLOCKS_APART, Visit
from .models import UnmanagedKey

GONE, LISTED, UNLISTED, TWICE, DIFFERS = "gone", "listed", "unlisted", "twice", "differs"
DELETED_BY = (
    "key.orphan_deleted",
    "key.doubtful_deleted",
    "key.breach_deleted",
    "catalogue.key_deleted",
    "connection.key_deleted",
)
"""The events that say that a key which the portal keeps no row of is gone. Of others their row says it."""
NOW = timedelta(0)


def doubted(visit: Visit) -> set[str]:
    """Return the SIDs of this account that are to be looked at in each run, because of what was seen of them."""
    open_here = troubles.open_troubles(troubles.CONTRADICTION).filter(account=visit.account)
    return set(open_here.values_list("key_sid", flat=True))


def lists_what_is_gone(visit: Visit, sid: str, words: str, path: str, *, after: timedelta | None = None) -> None:
    """Note that Twilio lists a key that it, or the portal, says is gone; by default it may lag for the grace period."""
    after = settings.RECONCILE_GRACE if after is None else after
    _see(visit, f"{LISTED}:{sid}", f"Twilio lists key {sid}, which should be gone", words, path=path, after=after)


def lacks_what_is_there(visit: Visit, sid: str, path: str) -> None:
    """Note that a whole listing lacks a key that Twilio shows."""
    words = "Asked for it by its SID, Twilio shows the key; in its whole list of the account's keys it is missing."
    title, after = f"Twilio does not list key {sid}, but shows it", settings.RECONCILE_GRACE
    _see(visit, f"{UNLISTED}:{sid}", title, words, path=path, after=after)


def compare_with_listing(visit: Visit, detail: KeyDetail, path: str) -> None:
    """Note whether a listed key, fetched since, is the same in both answers, if it was not changed just now."""
    listed = visit.listed.get(detail.sid)
    if listed is None:
        return
    visit.agree(LISTED, detail.sid)
    changes = [at for at in (listed.date_updated, detail.date_updated) if at is not None]
    if changes and max(changes) > visit.began_at - settings.RECONCILE_GRACE - CLOCKS_APART:
        return  # the listing may be from before the change
    different = list(_differences(listed, detail))
    if not different:
        visit.agree(DIFFERS, detail.sid)
        return
    words = f"What Twilio lists and what it shows by SID differ: {'; '.join(different)}."
    title = f"Twilio says two things about key {detail.sid}"
    _see(visit, f"{DIFFERS}:{detail.sid}", title, words, path=path, after=NOW)


def _differences(listed: KeySummary, detail: KeyDetail) -> Iterator[str]:
    if (listed.friendly_name or "") != (detail.friendly_name or ""):
        yield f"its name is “{listed.friendly_name or ''}” and “{detail.friendly_name or ''}”"
    if listed.is_standard and isinstance(detail.policy, Policy):
        yield "it is a Standard key, and it has a policy"
    for what, one, other in (
        ("created", listed.date_created, detail.date_created),
        ("changed", listed.date_updated, detail.date_updated),
    ):
        if one and other and one != other:
            yield f"it was {what} at {moment(one)} and {moment(other)}"


def settle_contradictions(visit: Visit) -> None:
    """Note what the other steps and the listing contradict, and end what is no longer so. Call it last."""
    for sid, words in visit.still_there.items():
        title = f"Twilio says that key {sid} is gone, but it is there"
        path = f"/keys/{sid}/" if ApiKey.objects.filter(pk=sid).exists() else troubles.PAGE
        _see(visit, f"{GONE}:{sid}", title, words, path=path, after=settings.RECONCILE_GRACE)
    if visit.is_listed:
        _settle_by_listing(visit)


def _settle_by_listing(visit: Visit) -> None:
    for sid in sorted(visit.listed_twice):
        words = "One list of the account's keys has this SID twice, and no change of the key explains it."
        _see(visit, f"{TWICE}:{sid}", f"Twilio lists key {sid} twice", words, path=troubles.PAGE, after=NOW)
    for sid, at in _deleted_but_listed(visit).items():
        words = f"The portal recorded at {moment(at)} that this key was deleted, but Twilio lists it."
        lists_what_is_gone(visit, sid, words, troubles.PAGE, after=NOW)
    open_here = troubles.open_troubles(troubles.CONTRADICTION).filter(account=visit.account)
    troubles.end([row for row in open_here if _is_over(visit, row.key, row.key_sid)], visit.actor)


def _is_over(visit: Visit, key: str, sid: str) -> bool:
    if key in visit.contradictions:
        return False
    what = key.partition(":")[0]
    if what == TWICE or key in visit.agreed:
        return True
    if what == GONE:  # each run deletes it again, as long as it has to
        return not ApiKey.objects.filter(pk=sid, state=KeyState.REVOKING).exists() and sid not in visit.listed
    if what == UNLISTED:
        return sid in visit.listed or not _is_kept(sid)
    return sid not in visit.listed


def _is_kept(sid: str) -> bool:
    """Tell whether the portal counts a key among those that exist, so that a run looks at it."""
    return (
        ApiKey.objects.filter(pk=sid).exclude(state=KeyState.REVOKED).exists()
        or UnmanagedKey.objects.filter(pk=sid, gone_at=None).exists()
        or Issuance.objects.filter(key_sid=sid, state__in=OPEN_ISSUANCES).exists()
    )


def _deleted_but_listed(visit: Visit) -> dict[str, datetime]:
    """Return the listed keys that the ledger says were deleted longer ago than the grace period, and when."""
    times = ledger.keys_with(DELETED_BY, visit.account.sid)
    settled = visit.began_at - settings.RECONCILE_GRACE
    return {sid: at for sid, at in times.items() if sid in visit.listed and at < settled}


def _see(visit: Visit, key: str, title: str, words: str, *, path: str, after: timedelta) -> None:
    """Keep a contradiction; `key` is what it is and the SID it is about."""
    visit.contradictions.add(key)
    sid = key.partition(":")[2]
    seen = troubles.Seen(
        key, troubles.CONTRADICTION, title, words, timezone.now(), account=visit.account, key_sid=sid, path=path
    )
    troubles.see(seen, visit.actor, after=after)
