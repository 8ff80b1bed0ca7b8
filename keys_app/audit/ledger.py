"""Appends to the ledger, and reads it."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime

import rfc8785
from django.db import DatabaseError, connection, models, transaction
from django.utils import timezone

from keys_app.audit.merkle.tree import leaf_hash
from keys_app.audit.merkle.tree_store import LedgerDamaged
from keys_app.audit.search.tokens import terms_of
from keys_app.core.db import BATCH, read_in_turn, wait_for_turn
from keys_app.core.times import rfc3339

from .incarnation.advance import ledger_grew
from .merkle import tree, tree_store
from .models import AuditEvent, AuditNode
from .search import index as search_index

__all__ = ["AuditEvent", "Entry", "LedgerDamaged", "append", "history", "last_times", "leaf_hash", "matching"]

# Serialises appends on PostgreSQL. The number only has to differ from other advisory locks on this database.
_APPEND_LOCK = 0x6B705F6C6564
_LAST = AuditEvent.objects.order_by("-sequence").values_list("sequence", "leaf_hash")[:1]


@dataclass(frozen=True, slots=True)
class Entry:
    """What happened, before it has a number and a time. `policy` is canonical JSON or empty.

    `login` is the name the actor signs in with, `team` and `risk` are those of the request or key.
    """

    action: str
    actor_name: str
    actor_id: str = ""
    address: str = ""
    login: str = ""
    account_sid: str = ""
    key_sid: str = ""
    request_id: str = ""
    team: str = ""
    risk: str = ""
    policy: str = ""
    reason: str = ""
    details: dict[str, object] = field(default_factory=dict)


def append(entry: Entry) -> int:
    """Write the event into the caller's transaction and return its sequence number, counted from 1.

    Call it after the rows it speaks of are written: it takes the ledger's lock, which is held to the
    end of the transaction, and a row lock taken after that could deadlock with another writer. On
    PostgreSQL a new row's foreign keys lock their targets at commit, so whoever locks such a row
    before the ledger must do it with `lock_row`.
    Raises `TransactionManagementError` outside a transaction, `LedgerDamaged` if the stored tree does not fit.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("an audit event belongs to the transaction of its change")
    last: int
    last, last_leaf = (read_in_turn(_APPEND_LOCK, _LAST) or [(0, b"")])[0]
    now = timezone.now()
    body = asdict(entry)
    canonical = rfc8785.dumps({**body, "sequence": last + 1, "time": rfc3339(now, "microseconds")})
    found_by = terms_of(body)
    del body["details"], body["login"]  # they have no column of their own
    leaf = leaf_hash(canonical)
    AuditEvent(sequence=last + 1, time=now, canonical=canonical.decode(), leaf_hash=leaf, **body).save(
        force_insert=True
    )
    _grow_tree(last, leaf, bytes(last_leaf))
    search_index.enter(last + 1, found_by)
    ledger_grew(last + 1, leaf)
    return last + 1


def _grow_tree(index: int, leaf: bytes, left: bytes) -> None:
    """Store the subtrees that the leaf at `index` completes; `left` is the leaf before it. O(log n)."""
    if not index & 1:
        return
    known = {(0, index - 1): left, **tree_store.load(tree.siblings(index)[1:])}
    done = tree.completed(index, leaf, known.__getitem__)
    rows = [AuditNode(level=level, position=position, hash=value) for (level, position), value in done]
    try:
        AuditNode.objects.bulk_create(rows)
    except DatabaseError as error:
        if "append-only" not in str(error):
            raise
        raise LedgerDamaged("the audit ledger's tree does not end where its events do; run audit_verify") from error


def lock() -> None:
    """Let one transaction append at a time, until it ends."""
    wait_for_turn(_APPEND_LOCK)


def history(*, request_id: str = "", key_sid: str = "") -> models.QuerySet[AuditEvent]:
    """Return the events of one request or key, oldest first."""
    wanted = {"request_id": request_id} if request_id else {"key_sid": key_sid}
    return AuditEvent.objects.filter(**wanted).order_by("sequence")


def matching(*, action: str = "", actor: str = "", account: str = "") -> models.QuerySet[AuditEvent]:
    """Return events, newest first: the beginning of action and account, any part of the actor's name."""
    wanted = {"action__startswith": action, "actor_name__icontains": actor, "account_sid__startswith": account}
    return AuditEvent.objects.filter(**{name: value for name, value in wanted.items() if value})


def about(
    actions: Iterable[str], *, request_ids: Iterable[str] = (), key_sids: Iterable[str] = ()
) -> models.QuerySet[AuditEvent]:
    """Return the events with these actions of any of these requests or keys, oldest first."""
    named = models.Q(request_id__in=list(request_ids)) if request_ids else models.Q(key_sid__in=list(key_sids))
    return AuditEvent.objects.filter(named, action__in=list(actions)).order_by("sequence")


def of_actions(actions: Iterable[str]) -> Iterator[AuditEvent]:
    """Return all events with these actions, oldest first, a batch in memory at a time."""
    events, done = AuditEvent.objects.filter(action__in=list(actions)).order_by("sequence"), 0
    while batch := list(events.filter(sequence__gt=done)[:BATCH]):
        yield from batch
        done = batch[-1].sequence


def last(action: str) -> AuditEvent | None:
    """Return the newest event of an action, found by an index however many events there are."""
    return AuditEvent.objects.filter(action=action).order_by("-sequence").first()


def last_times(action: str, key_sids: Iterable[str]) -> dict[str, datetime]:
    """Return when each of these keys had this action last, as far as it had it. One query."""
    found = AuditEvent.objects.filter(key_sid__in=key_sids, action=action).order_by()
    return dict(found.values_list("key_sid").annotate(last=models.Max("time")))


def keys_with(actions: Iterable[str], account_sid: str) -> dict[str, datetime]:
    """Return the keys of an account that had one of these actions, and when last. One query, by an index."""
    found = AuditEvent.objects.filter(action__in=actions, account_sid=account_sid).order_by()
    return dict(found.values_list("key_sid").annotate(last=models.Max("time")))


def size() -> int:
    """Return how many events there are, which is the last one's number."""
    return AuditEvent.objects.aggregate(last=models.Max("sequence"))["last"] or 0


def event(sequence: int) -> AuditEvent | None:
    """Return one event by its number."""
    return AuditEvent.objects.filter(pk=sequence).first()
