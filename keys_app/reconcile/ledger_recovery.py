"""Takes the ledger up again after a loss: what was signed and is lost is named in it, and another part begins."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from keys_app.audit.incarnation import check
from keys_app.audit.merkle import checkpoints, parts
from keys_app.audit.merkle.parts import AbandonedNote
from keys_app.audit.record import record
from keys_app.audit.verification import Verification
from keys_app.core.actor import Actor
from keys_app.core.errors import Conflict, HistoryReplaced
from keys_app.core.text import counted, require_reason

from .ledger_check import tell


@dataclass(frozen=True, slots=True)
class Recovery:
    """The part of the ledger that began, and the checkpoints that were abandoned."""

    part: int
    abandoned: Sequence[AbandonedNote]


def recover(actor: Actor, reason: str) -> Recovery:
    """Abandon the signed checkpoints outside that the ledger does not extend, and begin its next part.

    They, and the reason, are an event, in one transaction with the part's number. Nothing outside is changed. Raises
    `InvalidInput` without a reason, `NotConfigured` without a signing key, `Conflict` where nothing is to be recovered,
    and `HistoryReplaced` where more is wrong than a loss: a person has to look then.
    """
    reason = require_reason(reason.strip())
    if not checkpoints.trouble():
        raise Conflict("There is nothing to recover: the ledger extends its last checkpoint, and signing works.")
    abandoned = _misfits()
    check.check_newest_checkpoint()  # what they prove is entered, and holds, before they no longer count
    with transaction.atomic(durable=True):
        checkpoints.take_turn()
        known = parts.read()
        if any(known.is_abandoned(one.part, one.size, one.note) for one in abandoned):
            raise Conflict("The ledger was recovered by another process meanwhile.")
        part = parts.next_number(known)
        parts.begin(part)
        newest = max(one.size for one in abandoned)
        tell(
            "alarm.ledger",
            f"The audit ledger was recovered: its part {part} begins",
            f"{actor.name} abandoned {counted(len(abandoned), 'signed checkpoint')}, the newest of {newest} events, "
            f"which the ledger does not extend. Reason: {reason}",
            key=f"part {part}",
        )
        details = parts.details(part, known.current, abandoned)
        record("audit.recovered", actor, reason=reason, details=details)
    return Recovery(part, abandoned)


def _misfits() -> list[AbandonedNote]:
    """Return the signed checkpoints outside that the ledger does not extend, after verifying everything else."""
    found = Verification(set_aside=True)
    for _ in found.run():
        pass
    if found.fault:
        raise HistoryReplaced(
            f"{found.fault.text} That is not what a restored backup leaves, so nothing was recovered: find out what "
            "was done. If a file in PORTAL_CHECKPOINT_DIR is no checkpoint of this portal, move it away; if an earlier "
            "key signed it, add its verifier key to PORTAL_AUDIT_OLD_VERIFIER_KEYS."
        )
    if not found.checkpoints.misfits:
        raise HistoryReplaced(
            "Every checkpoint outside fits the ledger, so no loss is shown; what keeps it from being signed is another "
            f"thing. {checkpoints.trouble()}"
        )
    return found.checkpoints.misfits
