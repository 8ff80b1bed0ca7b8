"""Signs the head of the tree, and never one that does not extend the last one.

The new root is computed from the last signed one and the canonical JSON of the events since, so a head that
was signed vouches for what came before it, whatever the database says.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from keys_app.audit.models import AuditCheckpoint, AuditEvent
from keys_app.core.db import wait_for_turn
from keys_app.core.errors import HistoryReplaced, NotConfigured

from . import checkpoint_files, parts, proofs
from .checkpoint_files import PartFolder
from .parts import Parts
from .signed_note import BadKey, BadNote, Checkpoint, SignerKey, VerifierKey, open_checkpoint
from .tree import Frontier, leaf_hash
from .tree_store import LedgerDamaged

BATCH = 2000
_IF_RESTORED = "If that is what a restored backup lost, sign on with audit_recover."
_CHECKPOINT_LOCK = 0x6B705F636865  # only has to differ from other advisory locks on this database


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint with its signed note. `key` is the verifier key of whoever signed, `new` says that it was now."""

    size: int
    root: bytes
    note: str
    key: str
    time: datetime
    new: bool = False


def signer(purpose: str = "") -> SignerKey:
    """Return the key checkpoints are signed with, in the part the ledger is in. Raises `NotConfigured` without one.

    For another purpose it has another name, so that what is signed for one cannot be taken for the other.
    """
    if not settings.AUDIT_SIGNING_KEY:
        raise NotConfigured("Nothing can be signed: set PORTAL_AUDIT_SIGNING_KEY to the base64 of 32 random bytes.")
    name = parts.origin(parts.stored_number())
    return SignerKey.parse(f"{name}/{purpose}" if purpose else name, settings.AUDIT_SIGNING_KEY)


def verifier_keys(of: Iterable[int] | None = None) -> list[VerifierKey]:
    """Return the keys whose signatures count: today's, where this process has it, for each part, and the old ones.

    `of` are the numbers of the parts, by default all up to the one the ledger is in.
    """
    own: list[VerifierKey] = []
    if settings.AUDIT_SIGNING_KEY:
        numbers = range(1, parts.stored_number() + 1) if of is None else of
        public = SignerKey.parse(settings.AUDIT_ORIGIN, settings.AUDIT_SIGNING_KEY).verifier.public
        own = [VerifierKey(parts.origin(number), public) for number in sorted(numbers)]
    return own + [VerifierKey.parse(key) for key in settings.AUDIT_OLD_VERIFIER_KEYS]


def latest() -> Signed | None:
    """Return the last checkpoint in the database, as it is stored there."""
    row = AuditCheckpoint.objects.order_by("-size").first()
    return _of(row) if row else None


def sign() -> Signed:
    """Sign the head of the ledger as it is now, and keep it in the database and in the directory.

    Where the last checkpoint is of this head already, that one is returned. Raises `HistoryReplaced` if the
    ledger does not extend the last one, `NotConfigured` without a key, `CheckpointNotKept` if the directory
    cannot be read, or written: then the database has the checkpoint and the next call writes it.
    """
    key = signer()
    size = proofs.size()
    last, note = _last_signed(size)
    _refuse_retired(key)
    if last is None or last.size < size:
        root = _extended(last, size)
        return _store(size, root, key.sign(Checkpoint(key.verifier.name, size, root).text))
    return _store(size, last.root, note)  # for a database that has lost what was signed


def trouble() -> str:
    """Return why the head of the ledger can't be signed as the ledger is; empty if it can. Raises as `sign` does."""
    signer()
    size = proofs.size()
    try:
        last, _ = _last_signed(size)
        if last is None or last.size < size:
            _extended(last, size)
    except HistoryReplaced as error:
        return error.message
    return ""


def _store(size: int, root: bytes, note: str) -> Signed:
    """Write the checkpoint, unless this head or a later one has been signed already."""
    with transaction.atomic(durable=True):
        take_turn()
        row = AuditCheckpoint.objects.filter(size__gte=size).order_by("size").first()
        new = row is None
        if row is None:
            _, key = open_checkpoint(note, verifier_keys())
            row = AuditCheckpoint(size=size, root=root, time=timezone.now(), key=str(key), note=note)
            row.save(force_insert=True)
        known = parts.read()
    checkpoint_files.write(row.size, row.note, known.folder(known.at(row.size)))
    return _of(row, new=new)


def take_turn() -> None:
    """Let one transaction at a time decide what is signed next, until it ends. Take it before the ledger's lock."""
    wait_for_turn(_CHECKPOINT_LOCK)


def _of(row: AuditCheckpoint, *, new: bool = False) -> Signed:
    return Signed(size=row.size, root=bytes(row.root), note=row.note, key=row.key, time=row.time, new=new)


def _last_signed(size: int) -> tuple[Checkpoint | None, str]:
    """Return the largest checkpoint of the database and the directory, held against the tree, and its note.

    Each part's newest one in the directory counts that was not abandoned.
    """
    known, folders = parts.read(), checkpoint_files.part_folders()
    if problem := parts.contradiction(known):
        raise HistoryReplaced(problem)
    keys = verifier_keys(known.numbers.union(folder.part for folder in folders))
    stored, found = latest(), list[tuple[Checkpoint, str]]()
    if stored:
        found.append((_checked("the database", stored.size, stored.note, size, keys), stored.note))
    for folder, number, note in _newest(folders, known):
        where = f"the directory {folder.path}"
        found.append((_checked(where, number, note, size, keys), note))
        _check_part(where, folder.part, number, known)
    return max(found, key=lambda one: one[0].size, default=(None, ""))


def newest_outside() -> list[tuple[int, str]]:
    """Return size and note of each part's newest checkpoint in the directory that was not abandoned, as it is there.

    Raises `CheckpointNotKept` if the directory cannot be read. Seams that cannot be read abandon nothing.
    """
    known = Parts(parts.seams())
    return [(number, note) for _, number, note in _newest(checkpoint_files.part_folders(), known)]


def _newest(folders: list[PartFolder], known: Parts) -> Iterator[tuple[PartFolder, int, str]]:
    for folder in folders:
        for number in reversed(folder.sizes):
            if not known.is_abandoned(folder.part, number, note := folder.read(number)):
                yield folder, number, note
                break


def _check_part(where: str, part: int, number: int, known: Parts) -> None:
    """Raise `HistoryReplaced` for a checkpoint of another part than the ledger was in at its size."""
    if part != known.at(number):
        raise HistoryReplaced(
            f"The checkpoint that {where} has for {number} events is one of part {part} of the ledger, which was in "
            f"part {known.at(number)} there."
        )


def _checked(where: str, number: int, note: str, size: int, keys: list[VerifierKey]) -> Checkpoint:
    """Return a checkpoint if it is signed and the ledger extends it. Raises `HistoryReplaced` otherwise."""
    try:
        checkpoint, _ = open_checkpoint(note, keys)
    except BadNote as error:
        raise HistoryReplaced(
            f"The last checkpoint in {where}, of {number} events, does not count: {error}. If the signing key or its "
            "name was changed, add the old verifier key to PORTAL_AUDIT_OLD_VERIFIER_KEYS."
        ) from None
    if checkpoint.size != number:
        raise HistoryReplaced(f"The checkpoint that {where} has for {number} events is one of {checkpoint.size}.")
    if checkpoint.size > size:
        raise HistoryReplaced(
            f"The last checkpoint in {where} is of {checkpoint.size} events, but the ledger has only {size}. "
            f"{_IF_RESTORED}"
        )
    if _root(checkpoint.size) != checkpoint.root:
        raise HistoryReplaced(
            f"The first {checkpoint.size} events are not those that {where} has a checkpoint of. {_IF_RESTORED}"
        )
    return checkpoint


def _root(size: int) -> bytes:
    try:
        return proofs.root_at(size)
    except LedgerDamaged as error:
        raise HistoryReplaced(f"The tree over the first {size} events is damaged: {error}") from None


def _extended(last: Checkpoint | None, size: int) -> bytes:
    """Return the root over the first `size` events, computed from the last signed head and the events since."""
    start = last.size if last else 0
    frontier = proofs.frontier_at(start)
    events = AuditEvent.objects.order_by("sequence").values_list("sequence", "canonical", "leaf_hash")
    while frontier.size < size:
        batch = events.filter(sequence__gt=frontier.size, sequence__lte=min(size, frontier.size + BATCH))
        before = frontier.size
        for sequence, canonical, leaf in batch:
            _add(frontier, sequence, canonical, bytes(leaf))
        if frontier.size == before:
            raise HistoryReplaced(f"Event {before + 1} is missing from the ledger.")
    if frontier.root != _root(size):
        raise HistoryReplaced(f"The stored tree over the events {start + 1} to {size} does not belong to them.")
    return frontier.root


def _add(frontier: Frontier, sequence: int, canonical: str, leaf: bytes) -> None:
    if sequence != frontier.size + 1:
        raise HistoryReplaced(f"Event {frontier.size + 1} is missing from the ledger.")
    computed = leaf_hash(canonical.encode())
    if computed != leaf:
        raise HistoryReplaced(f"Event {sequence} was changed: its hash does not belong to its content.")
    frontier.add(computed)


def _refuse_retired(key: SignerKey) -> None:
    """Refuse to sign with a key that another one took over from: a stolen old key cannot be passed off.

    In another part it has another name, but is the same key.
    """
    last = latest()
    if last is None or last.key == str(key.verifier):
        return
    try:
        was = VerifierKey.parse(last.key)
    except BadKey:
        raise HistoryReplaced(f"The checkpoint of {last.size} events in the database was changed.") from None
    used = AuditCheckpoint.objects.filter(key=str(key.verifier))
    if was.public != key.verifier.public:
        used |= AuditCheckpoint.objects.filter(key__endswith=str(key.verifier).split("+", 2)[2])
    if used.exists():
        raise NotConfigured("PORTAL_AUDIT_SIGNING_KEY is a key that another one took over from. Use a new one.")
