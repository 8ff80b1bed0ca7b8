"""Writes events as JSON Lines that prove themselves: `offline_verifier` checks them without the portal.

A header's line; a line for each event, with its place in the tree and, where not every event is in it, its
inclusion proof; and a line with the checkpoint all of it is under, and a signed list of what was exported.
"""

import hashlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import groupby
from typing import Any

import rfc8785
from django.db.models import QuerySet
from django.utils import timezone

from keys_app.audit.merkle import checkpoints, parts, proofs, signed_note
from keys_app.audit.merkle.checkpoints import Signed
from keys_app.audit.merkle.tree_store import LedgerDamaged
from keys_app.audit.models import AuditCheckpoint, AuditEvent
from keys_app.core.errors import HistoryReplaced
from keys_app.core.times import rfc3339

WINDOW = 8 * proofs.BLOCK
FORMAT = 1
EARLIER = 250
"""How many earlier checkpoints a filtered export proves to extend: this many of the newest, and of all."""


def jsonl(events: QuerySet[AuditEvent], *, filtered: bool, header: Mapping[str, object]) -> Iterator[bytes]:
    """Return the export, in pieces, of those events that are under a checkpoint signed now, oldest first.

    What is appended later is not in it, so it is one state of the ledger however long it takes. `events` is
    not sliced; `filtered` says that it may leave some out; `header` is written with it, as JSON.

    A ledger that does not extend its last checkpoint is exported whole, under that one, with what is wrong in
    the header: the verifier finds it. Raises `NotConfigured` or `CheckpointNotKept` before there is a first piece,
    and `HistoryReplaced` if nothing was ever signed.
    """
    signed, problem = _checkpoint()
    part, seams = _seams(signed.size)
    head: dict[str, Any] = {
        **header,
        **({"trouble": problem} if problem else {}),
        "format": FORMAT,
        "origin": parts.origin(part),
        "part": part,
        "exported_at": rfc3339(timezone.now(), "auto"),
        "filtered": filtered,
        "size": signed.size,
    }
    end = proofs.size() if problem else signed.size
    rows = events.filter(sequence__lte=end).order_by("sequence")
    batches = _batches(rows.values_list("sequence", "canonical", "leaf_hash"), end)
    return _lines(batches, filtered, rfc8785.dumps(head), signed, seams)


def _checkpoint() -> tuple[Signed, str]:
    try:
        return checkpoints.sign(), ""
    except HistoryReplaced as error:
        last = checkpoints.latest()
        if last is None:
            raise
        return last, error.message


def _batches(rows: QuerySet[Any], end: int) -> Iterator[list[Any]]:
    """Read by number: whatever the filter and the statistics, that is a range of the primary key each time.

    A batch is of one block of the tree, so that what proves its events is read together.
    """
    for start in range(0, end, WINDOW):
        found = rows.filter(sequence__gt=start, sequence__lte=start + WINDOW)
        for _, batch in groupby(found, key=lambda row: (row[0] - 1) // proofs.BLOCK):
            yield list(batch)


def _seams(size: int) -> tuple[int, list[int]]:
    """Return the part of the ledger that a checkpoint of this size is of, and the events its later parts begin with.

    A ledger that contradicts itself about them is exported all the same: its verifier finds it.
    """
    try:
        known = parts.read()
    except HistoryReplaced:
        return 1, []
    return known.at(size), [seam.event for seam in known.seams if seam.event <= size]


def _lines(
    batches: Iterator[list[Any]], filtered: bool, head: bytes, signed: Signed, seams: list[int]
) -> Iterator[bytes]:
    yield b'{"header":' + head + b"}\n"
    digest, count = hashlib.sha256(hashlib.sha256(head).digest()), 0
    for batch in batches:
        yield _batch(batch, filtered, signed.size)
        for sequence, _, leaf in batch:
            digest.update((sequence - 1).to_bytes(8, "big") + leaf)
        count += len(batch)
    yield _end(signed, filtered, count, digest.digest(), seams)


def _batch(batch: list[tuple[int, str, bytes]], filtered: bool, size: int) -> bytes:
    if not filtered:
        return "".join(f'{{"event":{text},"index":{number - 1}}}\n' for number, text, _ in batch).encode()
    paths = _proofs([number - 1 for number, _, _ in batch], size)
    return "".join(
        f"{_proved(text, number - 1, path)}\n" for (number, text, _), path in zip(batch, paths, strict=True)
    ).encode()


def _proofs(indexes: list[int], size: int) -> list[list[bytes]]:
    """Return each event's proof; none for one that has none, which the verifier then names."""
    under = [index for index in indexes if index < size]
    try:
        return [*(proofs.block_proofs(under, size) if under else []), *([] for _ in indexes[len(under) :])]
    except LedgerDamaged:
        return [_proof_or_none(index, size) for index in indexes]


def _proof_or_none(index: int, size: int) -> list[bytes]:
    try:
        return proofs.inclusion_proof(index, size)
    except (LedgerDamaged, ValueError):
        return []


@lru_cache(maxsize=10_000)
def _quoted(value: bytes) -> str:
    """Return a hash in base64 as JSON. Events next to each other share most of their proofs."""
    return f'"{signed_note.encode(value)}"'


def _end(signed: Signed, filtered: bool, count: int, digest: bytes, seams: list[int]) -> bytes:
    """Return the last line: the checkpoint, and a note that says which events were exported under which header."""
    signer = checkpoints.signer(purpose="export")
    text = f"{signer.verifier.name}\n{signed.size}\n{count}\n{signed_note.encode(digest)}\n"
    line: dict[str, Any] = {
        "checkpoint": signed.note,
        "list": signer.sign(text),
        "earlier": _earlier(signed.size) if filtered else [],
    }
    head, tail = rfc8785.dumps(line)[:-1], ",".join(_seam(number, signed.size) for number in seams)
    return head + (f',"seams":[{tail}]'.encode() if seams else b"") + b"}\n"


def _seam(number: int, size: int) -> str:
    """Return the event a part begins with, as a line of a filtered export has it."""
    canonical = AuditEvent.objects.values_list("canonical", flat=True).get(sequence=number)
    return _proved(canonical, number - 1, _proofs([number - 1], size)[0])


def _proved(canonical: str, index: int, path: list[bytes]) -> str:
    """Return an event with its place and its proof."""
    return f'{{"event":{canonical},"index":{index},"proof":[{",".join(map(_quoted, path))}]}}'


def _earlier(size: int) -> list[dict[str, object]]:
    """Return proofs that the tree extends earlier checkpoints, for somebody who kept one of them."""
    known = list(
        AuditCheckpoint.objects.filter(size__lt=size, size__gt=0).order_by("size").values_list("size", flat=True)
    )
    spread = known[:: max(1, len(known) // EARLIER)]
    try:
        return [
            {"size": old, "proof": [signed_note.encode(value) for value in proofs.consistency_proof(old, size)]}
            for old in sorted({*spread, *known[-EARLIER:]})
        ]
    except LedgerDamaged:
        return []
