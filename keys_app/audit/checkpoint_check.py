"""Holds the checkpoints of the database and of the directory against the ledger, each in its part."""

import bisect
from pathlib import Path

from django.db import connection

from keys_app.core.errors import HistoryReplaced

from .faults import FaultFound
from .merkle import checkpoint_files, checkpoints, parts
from .merkle.checkpoint_files import PartFolder
from .merkle.parts import AbandonedNote, Parts
from .merkle.signed_note import BadNote, Checkpoint, VerifierKey, open_checkpoint
from .models import AuditCheckpoint, Installation


class CheckpointCheck:
    """All checkpoints there are, to be held one by one against the root the ledger has at their size, smallest first.

    `held` counts those that fit, `abandoned` those that a seam of the ledger names, which are held against nothing.
    """

    def __init__(self, root: Path | None = None, *, set_aside: bool = False) -> None:
        """`root` holds the checkpoints outside the database, if not PORTAL_CHECKPOINT_DIR does.

        With `set_aside`, one outside that is signed, but does not fit the ledger, is no fault: `misfits` has them.
        """
        self.held = self.abandoned = 0
        self.misfits: list[AbandonedNote] = []
        self.parts = Parts([])
        self._set_aside = set_aside
        self._folders = checkpoint_files.part_folders(root)
        self._in_folders = [frozenset(folder.sizes) for folder in self._folders]
        stored = AuditCheckpoint.objects.order_by("size").values_list("size", flat=True)
        self._stored = frozenset(stored)
        self._sizes = sorted(self._stored.union(*self._in_folders))
        self._keys = list[VerifierKey]()
        self._ledger_size = 0
        self._good = 0  # the largest size a checkpoint vouches for
        self._signers = list[VerifierKey]()

    def between(self, start: int, end: int) -> tuple[int, ...]:
        """Return the sizes of checkpoints of more than `start` and up to `end` events that there are."""
        return tuple(self._sizes[bisect.bisect_right(self._sizes, start) : bisect.bisect_right(self._sizes, end)])

    def read_parts(self) -> None:
        """Learn the ledger's parts from its events; that these are what was hashed is checked with all others."""
        try:
            self.parts = parts.read()
        except HistoryReplaced as error:
            raise FaultFound(1, error.message) from None
        if _has_installation() and (problem := parts.contradiction(self.parts)):
            raise FaultFound(self.parts.seams[-1].event if self.parts.seams else 1, problem)
        self._keys = checkpoints.verifier_keys(self.parts.numbers.union(folder.part for folder in self._folders))

    def hold(self, size: int, root: bytes) -> None:
        """Check what the database and the directory have for this size against the root it has now."""
        for row in AuditCheckpoint.objects.filter(size=size):
            key = self._check_note(size, "the database", row.note, root)
            if (bytes(row.root), row.key) != (root, str(key)):
                raise FaultFound(self._good + 1, f"The checkpoint of {size} events in the database was changed.")
        for folder, sizes in zip(self._folders, self._in_folders, strict=True):
            if size in sizes:
                self._hold_file(folder, size, root)
        self._good = size

    def _hold_file(self, folder: PartFolder, size: int, root: bytes | None) -> None:
        """Check a note of the directory. `root` is what the ledger has at its size, None if it is not as long."""
        note = folder.read(size)
        where = "the directory" if folder.part == 1 else f"the directory's part {folder.part}"
        if self.parts.is_abandoned(folder.part, size, note):
            self.abandoned += 1
        elif self._set_aside and self._misfits(folder.part, where, size, note, root):
            self.misfits.append(AbandonedNote(folder.part, size, note))
        elif root is None:
            raise _missing(self._ledger_size, size)
        else:
            self._check_note(size, where, note, root, folder.part)

    def _misfits(self, part: int, where: str, size: int, note: str, root: bytes | None) -> bool:
        """Tell whether a note that is signed is of another history. Raises `FaultFound` for one that is not signed."""
        checkpoint, _ = self._opened(size, where, note)
        return checkpoint.root != root or part != self.parts.at(size)

    def _opened(self, size: int, where: str, note: str) -> tuple[Checkpoint, VerifierKey]:
        name, first = f"The checkpoint of {size} events in {where}", self._good + 1
        try:
            checkpoint, key = open_checkpoint(note, self._keys)
        except BadNote as error:
            raise FaultFound(first, f"{name} does not count: {error}.") from None
        if checkpoint.size != size:
            raise FaultFound(first, f"{name} is one of {checkpoint.size} events.")
        return checkpoint, key

    def _check_note(self, size: int, where: str, note: str, root: bytes, part: int | None = None) -> VerifierKey:
        """Check a note, and that it is of the part the ledger was in: `part` is that of its folder, if it has one."""
        name, first = f"The checkpoint of {size} events in {where}", self._good + 1
        checkpoint, key = self._opened(size, where, note)
        if checkpoint.root != root:
            raise FaultFound(first, f"{name} is of other events: at least one from {first} to {size} was replaced.")
        here = self.parts.at(size)
        if part not in (None, here) or (here > 1 and not key.name.endswith(f"/{here}")):
            raise FaultFound(first, f"{name} is not of part {here}, in which the ledger was there.")
        self._check_signer(name, first, key)
        self.held += 1
        return key

    def _check_signer(self, name: str, first: int, key: VerifierKey) -> None:
        """Check that no key signs after another one took over from it, in a later part under another name either."""
        last = self._signers[-1] if self._signers else key
        same = [signer for signer in self._signers if signer.public == key.public]
        if key != last and (key in self._signers or (same and key.public != last.public)):
            raise FaultFound(first, f"{name} was signed with a key that another one had taken over from.")
        if key not in self._signers:
            self._signers.append(key)

    def check_beyond(self, size: int) -> None:
        """Check that no checkpoint is of more events than there are."""
        self._ledger_size = size
        for folder in self._folders:
            for number in folder.sizes[bisect.bisect_right(folder.sizes, size) :]:
                self._hold_file(folder, number, None)
        if (signed := max(self._stored, default=0)) > size:
            raise _missing(size, signed)


def _missing(size: int, signed: int) -> FaultFound:
    return FaultFound(size + 1, f"Event {size + 1} is missing: a checkpoint of {signed} events was signed.")


def _has_installation() -> bool:
    """Tell whether the database keeps the number of its part: one from before 0.9.1 does not."""
    return Installation._meta.db_table in connection.introspection.table_names()
