"""What is wrong with the ledger, and how finding it ends a verification."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LedgerFault:
    """The first thing that is wrong, and the number of the first event that is or may be."""

    text: str
    event: int


class FaultFound(Exception):
    """Ends a verification with what is wrong and the first event it is wrong from."""

    def __init__(self, event: int, text: str) -> None:
        super().__init__(event, text)
        self.fault = LedgerFault(text, event)
