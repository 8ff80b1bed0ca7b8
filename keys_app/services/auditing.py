"""Signing and checking the ledger, and what is said when it is not what it was."""

import logging

from ..audit import checkpoints
from ..domain.errors import HistoryReplaced

log = logging.getLogger(__name__)

VERIFY_PAGE = "/audit/verify/"


def sign_checkpoint() -> checkpoints.Signed:
    """Sign the head of the ledger, keep it, and tell those who follow it.

    Raises `HistoryReplaced`, after an alarm, if the ledger does not extend what was signed before.
    """
    try:
        signed = checkpoints.sign()
    except HistoryReplaced as error:
        tell("alarm.ledger", "The audit ledger does not extend its last checkpoint", error.message, key=error.message)
        raise
    if signed.new:
        tell("audit.checkpoint", f"Checkpoint of {signed.size} events", signed.note, key=f"checkpoint {signed.size}")
    return signed


def tell(kind: str, title: str, text: str, *, key: str = "") -> None:
    """Hand a notice to whoever follows the ledger. A second one with the same `key` is not sent."""
    log.log(logging.ERROR if kind.startswith("alarm.") else logging.INFO, "%s: %s", title, text.strip())
