"""The ledger's parts. After a loss it is taken up again under another name, and the seam stays visible for good.

Checkpoints that were signed before, and that the ledger does not extend, are abandoned: an event takes each of them
into the ledger, and from that event on another part begins, with an origin of its own. The event is the seam. Its
number is also kept in `Installation.ledger_part`, so that neither can be changed alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from django.conf import settings

from keys_app.audit.installation import identity
from keys_app.audit.models import AuditEvent, Installation
from keys_app.core.errors import HistoryReplaced
from keys_app.core.text import counted

from . import checkpoint_files

RECOVERED = "audit.recovered"


@dataclass(frozen=True, slots=True)
class AbandonedNote:
    """A checkpoint that was signed in a part, and that the ledger does not extend."""

    part: int
    size: int
    note: str


@dataclass(frozen=True, slots=True)
class Seam:
    """Where a part of the ledger begins: with event number `event`, which abandoned the notes.

    `origin` is the name its checkpoints have, `folder` where they are below PORTAL_CHECKPOINT_DIR, `before` the number
    of the part it follows.
    """

    event: int
    time: datetime
    who: str
    reason: str
    part: int
    before: int
    origin: str
    folder: str
    abandoned: frozenset[AbandonedNote]

    @classmethod
    def of(cls, event: AuditEvent) -> Self:
        """Read the seam from what was hashed. Raises `HistoryReplaced` if it is none."""
        said: dict[str, Any] = event.details
        try:
            notes = frozenset(AbandonedNote(one["part"], one["size"], one["note"]) for one in said["abandoned"])
            part, before, folder = int(said["part"]), int(said["before"]), str(said["folder"])
        except (KeyError, TypeError, ValueError):
            raise HistoryReplaced(f"Event {event.sequence} is no seam of the ledger: it can't be read.") from None
        if part <= before or Path(folder).is_absolute() or ".." in Path(folder).parts:
            raise HistoryReplaced(f"Event {event.sequence} is no seam of the ledger: its part or folder can't be.")
        return cls(
            event.sequence, event.time, event.who, event.reason, part, before, str(said["origin"]), folder, notes
        )

    def __str__(self) -> str:
        newest = max((one.size for one in self.abandoned), default=0)
        return (
            f"part {self.part} of the ledger begins with event {self.event}, by {self.who}, who abandoned "
            f"{counted(len(self.abandoned), 'signed checkpoint')}, the newest of {newest} events. Reason: {self.reason}"
        )


class Parts:
    """The parts the ledger has, as its events say."""

    def __init__(self, seams: Sequence[Seam]) -> None:
        self.seams = list(seams)
        self.abandoned = frozenset(note for seam in seams for note in seam.abandoned)

    @property
    def current(self) -> int:
        return self.seams[-1].part if self.seams else 1

    @property
    def numbers(self) -> frozenset[int]:
        return frozenset({1, *(seam.part for seam in self.seams)})

    def at(self, size: int) -> int:
        """Return the part that a checkpoint of this many events belongs to."""
        return max((seam.part for seam in self.seams if seam.event <= size), default=1)

    def folder(self, part: int) -> Path:
        """Return the folder a part's checkpoints go to."""
        below = next((seam.folder for seam in self.seams if seam.part == part), "")
        return settings.CHECKPOINT_DIR / below

    def is_abandoned(self, part: int, size: int, note: str) -> bool:
        return AbandonedNote(part, size, note) in self.abandoned


def read() -> Parts:
    """Return the ledger's parts. Raises `HistoryReplaced` if the database contradicts itself about them."""
    seams = [Seam.of(event) for event in AuditEvent.objects.filter(action=RECOVERED).order_by("sequence")]
    before = 1
    for seam in seams:
        if seam.before != before:
            raise HistoryReplaced(
                f"Event {seam.event} goes on from part {seam.before}, and the ledger was in {before}."
            )
        before = seam.part
    return Parts(seams)


def seams() -> list[Seam]:
    """Return the ledger's seams for a page, oldest first; none where the database contradicts itself about them."""
    try:
        return read().seams
    except HistoryReplaced:  # which audit_verify and the signer say
        return []


def stored_number() -> int:
    """Return the part that the database says it is in, beside its events."""
    return Installation.objects.filter(pk=1).values_list("ledger_part", flat=True).first() or 1


def contradiction(parts: Parts) -> str:
    """Return how the number that is stored and the events contradict each other; empty if they don't."""
    if (stored := stored_number()) == parts.current:
        return ""
    return f"The database says the ledger is in part {stored}, and its events say part {parts.current}."


def origin(part: int) -> str:
    """Return the name the checkpoints of a part have."""
    return settings.AUDIT_ORIGIN if part == 1 else f"{settings.AUDIT_ORIGIN}/{part}"


def next_number(known: Parts) -> int:
    """Return the number of a part that neither the database nor the directory has had."""
    return max(known.current, *(folder.part for folder in checkpoint_files.part_folders())) + 1


def begin(part: int) -> None:
    """Store the part that the ledger is in from now on, in the transaction of its seam."""
    identity()  # which makes the row
    Installation.objects.filter(pk=1).update(ledger_part=part)


def details(part: int, before: int, abandoned: Sequence[AbandonedNote]) -> dict[str, object]:
    """Return what the event of a seam says, as `Seam.of` reads it."""
    return {
        "part": part,
        "before": before,
        "origin": origin(part),
        "folder": checkpoint_files.named(origin(part)),
        "abandoned": [{"part": one.part, "size": one.size, "note": one.note} for one in abandoned],
    }
