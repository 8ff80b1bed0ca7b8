"""Recomputes the whole ledger from its events and holds it against every checkpoint.

It goes through the events in batches that are complete subtrees, at constant memory: each leaf hash from the
canonical JSON, each column against it, each node of the stored tree, and at its place each checkpoint of the
database and of the directory. It stops at the first thing that is wrong.
"""

import json
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from json.encoder import encode_basestring as quoted
from pathlib import Path
from typing import Any

from django.db import connection

from keys_app.core.times import rfc3339

from . import dialects
from .checkpoint_check import CheckpointCheck
from .faults import FaultFound, LedgerFault
from .merkle import proofs, tree

BATCH_LEVEL = 12
BATCH = 1 << BATCH_LEVEL

_COLUMNS = ["account_sid", "action", "actor_id", "actor_name", "address", "key_sid", "policy", "reason", "request_id"]
_COLUMNS += ["risk", "team"]
_LATER = {"risk", "team", "login"}
"""Events from before these were recorded do not have them; `login` has no column."""
_EVENTS = (
    f"SELECT sequence, canonical, leaf_hash, {', '.join(_COLUMNS)}, {{time}} FROM audit_auditevent "  # noqa: S608 - constants of this file
    "WHERE sequence > %s AND sequence <= %s ORDER BY sequence"
)
_NODES = "SELECT hash FROM audit_node WHERE level = %s AND position >= %s AND position < %s ORDER BY position"
_HIGHEST = "SELECT level, MAX(position) FROM audit_node GROUP BY level"


@dataclass(frozen=True, slots=True)
class Batch:
    """Events after number `start` up to number `end`, and the sizes in between that there are checkpoints of."""

    start: int
    end: int
    sizes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckedBatch:
    """What a batch gave: its root if it is full, and for each of its sizes the subtrees that lead up to it."""

    batch: Batch
    root: bytes | None
    parts: dict[int, list[bytes]]


class Verification:
    """One run. Afterwards `fault` is what was found, None if nothing; `checked` counts events.

    `checkpoints` says what was held against them, and of which parts the ledger consists.
    """

    def __init__(self, root: Path | None = None, *, set_aside: bool = False) -> None:
        """Take the arguments of `CheckpointCheck`."""
        self.fault: LedgerFault | None = None
        self.checked = 0
        self.checkpoints = CheckpointCheck(root, set_aside=set_aside)
        self.size = proofs.size()  # read last: a checkpoint is signed after its events are there
        self._upper = tree.Frontier()  # over the batches, as if each were a leaf

    @property
    def held(self) -> int:
        """How many checkpoints were held against the events."""
        return self.checkpoints.held

    def run(self, processes: int = 1) -> Iterator[int]:
        """Verify, yielding the number of events that are done after each batch.

        With more than one process, nothing else of this one may be using the database.
        """
        batches = (
            Batch(start, end := min(start + BATCH, self.size), self.checkpoints.between(start, end))
            for start in range(0, self.size, BATCH)
        )
        try:
            self.checkpoints.read_parts()
            self.checkpoints.hold(0, tree.EMPTY_ROOT)
            with _mapped(processes) as mapped:
                for checked in mapped(check_batch, batches):
                    self._take(checked)
                    yield self.checked
            self._check_end()
        except FaultFound as wrong:
            self.fault = wrong.fault

    def _take(self, checked: CheckedBatch) -> None:
        for size, parts in checked.parts.items():
            self.checkpoints.hold(size, tree.fold([*self._upper.hashes, *parts]))
        if checked.root:
            for (level, position), value in self._upper.add(checked.root):
                _check_level(level + BATCH_LEVEL, position, [value])
        self.checked = checked.batch.end

    def _check_end(self) -> None:
        """Check that nothing speaks of more events than there are; some may have been added meanwhile."""
        size = proofs.size()
        self.checkpoints.check_beyond(size)
        nodes = max(((position + 1) << level for level, position in read(_HIGHEST)), default=0)
        if nodes > size:
            raise FaultFound(size + 1, f"Event {size + 1} is missing: the stored tree is one of {nodes} events.")


@contextmanager
def _mapped(processes: int) -> Iterator[Any]:
    """Give a `map` that works in this process or in several, in order either way."""
    if processes == 1:
        yield map
        return
    connection.close()  # a connection cannot be shared; each process opens its own
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        yield pool.imap


def check_batch(batch: Batch) -> CheckedBatch:
    """Check events, their columns and the stored tree over them. Raises `FaultFound` for the first that is wrong."""
    start, end = batch.start, batch.end
    rows = read(_EVENTS.format(time=dialects.time_as_stored()), start, end)
    if [row[0] for row in rows] != list(range(start + 1, end + 1)):
        raise _gap(rows, start)
    leaves = [sha256(b"\x00" + row[1].encode()).digest() for row in rows]
    if leaves != [row[2] for row in rows]:
        number = next(row[0] for row, leaf in zip(rows, leaves, strict=True) if row[2] != leaf)
        raise FaultFound(number, f"Event {number} was changed: its hash is not that of its content.")
    for row in rows:
        if not _columns_repeat(row):
            _compare(row)
    levels = _levels(leaves)
    for level, hashes in enumerate(levels[1:], 1):
        _check_level(level, start >> level, hashes)
    parts = {
        size: [levels[level][position - (start >> level)] for level, position in tree.subtrees(start, size)]
        for size in batch.sizes
    }
    return CheckedBatch(batch, levels[BATCH_LEVEL][0] if end - start == BATCH else None, parts)


def read(statement: str, *values: int | str | list[int] | list[str]) -> list[tuple[Any, ...]]:
    """Return what a statement finds, past the models: there may be a million events."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def _gap(rows: list[Any], start: int) -> FaultFound:
    expected = start + 1
    for row in rows:
        if row[0] != expected:
            break
        expected += 1
    return FaultFound(expected, f"Event {expected} is missing.")


def _columns_repeat(row: tuple[Any, ...]) -> bool:
    """Tell, quickly, whether the columns are what the canonical JSON says; `_compare` decides where they seem not."""
    (
        sequence,
        canonical,
        _,
        account,
        action,
        actor_id,
        actor,
        address,
        key,
        policy,
        reason,
        request,
        risk,
        team,
        time,
    ) = row
    if team is None or risk is None:
        return False  # an older event
    start = canonical.rfind('},"key_sid":')  # inside a text its quotes would be escaped, and no object follows it
    return bool(
        start > 0
        and canonical.startswith(
            f'{{"account_sid":{quoted(account)},"action":{quoted(action)},"actor_id":{quoted(actor_id)},'
            f'"actor_name":{quoted(actor)},"address":{quoted(address)},"details":{{'
        )
        and canonical.startswith(f'}},"key_sid":{quoted(key)},"login":"', start)
        and canonical.endswith(
            f'","policy":{quoted(policy)},"reason":{quoted(reason)},"request_id":{quoted(request)},'
            f'"risk":{quoted(risk)},"sequence":{sequence},"team":{quoted(team)},"time":"{time[:10]}T{time[11:]}"}}'
        )
    )


def _compare(row: tuple[Any, ...]) -> None:
    """Raise `FaultFound` unless the columns are what the canonical JSON says."""
    sequence, canonical, _, *columns, time = row
    stored = {**dict(zip(_COLUMNS, columns, strict=True)), "sequence": sequence}
    try:
        content = json.loads(canonical)
        stored["time"] = rfc3339(datetime.fromisoformat(time), "microseconds")
        content = {**dict.fromkeys(_LATER), **content}
        different = sorted(name for name in stored if content[name] != stored[name])
        extra = sorted(content.keys() - stored.keys() - {"details", "login"})
    except (ValueError, KeyError, TypeError):
        raise FaultFound(sequence, f"Event {sequence} was changed: its content cannot be read.") from None
    if different or extra:
        names = ", ".join(different + extra)
        raise FaultFound(sequence, f"Event {sequence} was changed: {names} is not what its content says.")


def _levels(leaves: list[bytes]) -> list[list[bytes]]:
    """Return the hashes of the complete subtrees over these leaves, by level."""
    levels = [leaves]
    while len(levels[-1]) > 1:  # a right edge that is not complete has no node yet
        pairs = iter(levels[-1])
        levels.append([sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=False)])
    return levels


def _check_level(level: int, position: int, hashes: list[bytes]) -> None:
    """Hold a run of one level's computed hashes against the stored ones."""
    stored = [bytes(value) for (value,) in read(_NODES, level, position, position + len(hashes))]
    if stored == hashes:
        return
    wrong = next((n for n, value in enumerate(hashes) if stored[n : n + 1] != [value]), 0)
    first, last = ((position + wrong) << level) + 1, (position + wrong + 1) << level
    which = f"Event {first} or {last}" if level == 1 else f"One of the events {first} to {last}"
    raise FaultFound(first, f"{which} was changed, or the stored tree was: its node over them is not what they give.")
