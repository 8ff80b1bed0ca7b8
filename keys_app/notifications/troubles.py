"""Troubles: what is told when it is found, reminded of daily, and told to be over. Their one home.

Whoever looks at something says what it sees with `see` each time, and `end`s what it no longer sees. Security gets an
alarm, the ledger an event for the beginning and the end, and `/reconciliation/` a line in between.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from keys_app.audit.record import record
from keys_app.core.actor import Actor
from keys_app.core.db import compare_and_swap
from keys_app.core.isolation import isolated
from keys_app.core.times import duration
from keys_app.organisation import access
from keys_app.organisation.models import Account

from . import notify
from .models import MAX_TITLE, MAX_WORDS, Trouble

STUCK, CONTRADICTION, SILENT, UNGUARDED = "stuck", "contradiction", "silent", "unguarded"
REFUSED = "refused"
"""What only a portal admin can mend: they are told too, and no one is reminded, since nothing changes by itself."""
REMIND_AFTER = timedelta(days=1)
PAGE = "/reconciliation/"
KEPT_FOR = timedelta(days=30)
TELLING, REMINDING = "telling of troubles", "reminding of troubles"
FEW, NAMED = 5, 60
"""How many are told one by one, and how many are named where one notice tells of more."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What someone sees now: `key` names the trouble, `words` are Twilio's or say how things stand, `since` begins it.

    `key_sid` and `account` say which key it is about, if it is about one; `path` is the page to look at. `more` is what
    the first notice says besides.
    """

    key: str
    kind: str
    title: str
    words: str
    since: datetime
    account: Account | None = None
    key_sid: str = ""
    path: str = PAGE
    more: str = ""


def see(seen: Seen, actor: Actor, *, after: timedelta = timedelta(0)) -> bool:
    """Keep what is seen, and tell Security once it has been so for `after`; tell whether it was told just now.

    A trouble that is known keeps its beginning, and has the latest words.
    """
    with transaction.atomic(durable=True):
        return see_within(seen, actor, after=after)


def see_within(seen: Seen, actor: Actor, *, after: timedelta = timedelta(0)) -> bool:
    """Do what `see` does, inside a transaction, as its last step."""
    row = _kept(seen)
    now = timezone.now()
    if not _is_due(row, after, now) or not _claim(row, now):
        return False
    text = f"{_text(row, now)}\n\n{seen.more}"
    _alarm(seen.kind, seen.title, text, seen.path)
    if row.kind == REFUSED:
        notify.notify("trouble.began", title=seen.title, text=text, **to_admins(row.account))
    _record_beginning(row, actor)
    return True


def see_all(found: Iterable[tuple[Seen, timedelta]], actor: Actor) -> None:
    """Do what `see` does for many of one kind, each with its `after`; more than `FEW` at once are one alarm."""
    due: list[tuple[Seen, timedelta]] = []
    for seen, after in found:
        with isolated(TELLING, seen.key):
            if _is_due(_kept(seen), after, timezone.now()):
                due.append((seen, after))
    if len(due) > FEW:
        with isolated(TELLING), transaction.atomic(durable=True):
            _tell_together([seen.key for seen, _ in due], actor)
        return
    for seen, after in due:
        with isolated(TELLING, seen.key):
            see(seen, actor, after=after)


def _tell_together(keys: list[str], actor: Actor) -> None:
    now = timezone.now()
    rows = [row for row in open_troubles().filter(key__in=keys).order_by("key") if _claim(row, now)]
    if rows:
        _alarm(rows[0].kind, f"{len(rows)} troubles: {rows[0].title}, and others", _text_of_many(rows), PAGE)
    for row in rows:
        _record_beginning(row, actor)


def _is_due(row: Trouble, after: timedelta, now: datetime) -> bool:
    return row.told_at is None and now - row.since >= after


def _claim(row: Trouble, now: datetime) -> bool:
    """Take it on to tell of a trouble; false if another process was first, or it is over."""
    return compare_and_swap(row, Q(told_at=None, ended_at=None), told_at=now)


def _record_beginning(row: Trouble, actor: Actor) -> None:
    details = {"trouble": row.key, "message": row.words, "since": row.since}
    record("trouble.began", actor, account=row.account, key_sid=row.key_sid, details=details)


def _kept(seen: Seen) -> Trouble:
    """Return the open row of what is seen, made or opened again; with the latest words."""
    values = {
        "kind": seen.kind,
        "account": seen.account,
        "key_sid": seen.key_sid,
        "title": notify.one_line(seen.title, MAX_TITLE),
        "words": notify.one_line(seen.words, MAX_WORDS),
        "path": seen.path,
    }
    row, is_new = Trouble.objects.get_or_create(key=seen.key, defaults={**values, "since": seen.since})
    if not is_new:
        again = {"since": seen.since, "told_at": None, "reminded_at": None, "ended_at": None}
        if not compare_and_swap(row, Q(ended_at__isnull=False), **values, **again):
            compare_and_swap(row, Q(ended_at=None), **values)
        row.refresh_from_db()
    return row


def end(troubles: Iterable[Trouble], actor: Actor) -> int:
    """End troubles that are over, each with its event and, if Security was told of it, a notice. Return how many."""
    ended = 0
    for row in troubles:
        with isolated("ending troubles", row.key), transaction.atomic(durable=True):
            ended += end_within(row, actor)
    return ended


def end_within(row: Trouble, actor: Actor) -> bool:
    """Do what `end` does for one, inside a transaction, as its last step; tell whether it was open and told."""
    now = timezone.now()
    if not compare_and_swap(row, Q(ended_at=None, told_at=row.told_at), ended_at=now) or row.told_at is None:
        return False
    title, text = f"Over: {row.title}", f"It lasted {duration(now - row.since)}."
    _alarm("ended", title, text, row.path)
    if row.kind == REFUSED:
        notify.notify("trouble.ended", title=title, text=text, **to_admins(row.account))
    details = {"trouble": row.key, "since": row.since}
    record("trouble.ended", actor, account=row.account, key_sid=row.key_sid, details=details)
    return True


def remind() -> int:
    """Remind Security of each open trouble it was not told of for a day; return of how many. Of many in one notice.

    Not of silent processes: of those `heartbeats` reminds, which does not need what is silent. Nor of `REFUSED`.
    """
    earlier = timezone.now() - REMIND_AFTER
    not_since = Q(reminded_at=None, told_at__lte=earlier) | Q(reminded_at__lte=earlier)
    rows = list(known().filter(not_since).exclude(kind__in=(SILENT, REFUSED)).order_by("key"))
    if len(rows) <= FEW:
        for row in rows:
            with isolated(REMINDING, row.key), transaction.atomic(durable=True):
                remind_within(row)
    else:
        with isolated(REMINDING), transaction.atomic(durable=True):
            now = timezone.now()
            rows = [row for row in rows if _claim_reminder(row, now)]
            if rows:
                title = f"Still: {len(rows)} troubles, of which the longest is: {min(rows, key=_since).title}"
                _alarm(rows[0].kind, title, _text_of_many(rows), PAGE)
    return len(rows)


def remind_within(row: Trouble) -> bool:
    """Remind of one trouble, inside a transaction, unless another process just did."""
    now = timezone.now()
    if not _claim_reminder(row, now):
        return False
    _alarm(row.kind, f"Still: {row.title}", _text(row, now), row.path)
    return True


def _claim_reminder(row: Trouble, now: datetime) -> bool:
    as_read = Q(ended_at=None, told_at=row.told_at, reminded_at=row.reminded_at)
    return compare_and_swap(row, as_read, reminded_at=now)


def _since(row: Trouble) -> datetime:
    return row.since


def open_troubles(*kinds: str) -> QuerySet[Trouble]:
    """Return what is not over, told or not; of these kinds, or of all."""
    rows = Trouble.objects.filter(ended_at=None).select_related("account")
    return rows.filter(kind__in=kinds) if kinds else rows


def known() -> QuerySet[Trouble]:
    """Return what is not over and Security was told of, the longest first."""
    return open_troubles().filter(told_at__isnull=False)


def end_others(seen: Collection[str], kind: str, actor: Actor) -> int:
    """End the open troubles of a kind that are not among the keys `seen`; return how many were told to be over."""
    return end([row for row in open_troubles(kind) if row.key not in seen], actor)


def forget_old() -> None:
    """Remove troubles that have been over for a month: the ledger has them."""
    Trouble.objects.filter(ended_at__lt=timezone.now() - KEPT_FOR).delete()


def _text(row: Trouble, now: datetime) -> str:
    account = f" Account: {row.account} ({row.account.sid})." if row.account else ""
    account += f" Key: {row.key_sid}." if row.key_sid else ""
    words = row.words if row.words.endswith((".", "!", "?", "…")) else f"{row.words}."
    return f"{words}{account} It has been so for {duration(now - row.since)}."


def _text_of_many(rows: list[Trouble]) -> str:
    """Return what an alarm of many says: all their names as far as a notice holds them, and the words of the first."""
    names = [row.key_sid or row.key.partition(":")[2] for row in rows]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    accounts = dict.fromkeys(f"{row.account} ({row.account.sid})" for row in rows if row.account)
    words = dict.fromkeys(row.words for row in rows)
    lines = [f"{', '.join(names[:NAMED])}{more}", f"Accounts: {', '.join(list(accounts)[:FEW])}", *list(words)[:FEW]]
    return "\n".join(lines)


def to_admins(account: Account | None) -> dict[str, Any]:
    """Return who is told besides Security, and of which page: theirs, since Reconciliation is Security's."""
    people = access.portal_admins().exclude(groups__name=access.SECURITY)
    path = reverse("admin:keys_app_account_change", args=[account.pk]) if account else PAGE
    return {"people": people, "path": path, "to_webhooks": False}


def _alarm(kind: str, title: str, text: str, path: str) -> None:
    notify.notify(f"alarm.{kind}", title=title, text=text, path=path)
