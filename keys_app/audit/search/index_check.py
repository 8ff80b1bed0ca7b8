"""Holds what events are found by against the events: an entry that was taken out hides an event from searches.

The entries are not in the tree, which `verification` recomputes; they are made again here, from the events.
"""

import json
from collections.abc import Iterator

from keys_app.audit import dialects
from keys_app.audit.faults import LedgerFault
from keys_app.audit.merkle import proofs
from keys_app.audit.verification import read

from .index import TABLE
from .tokens import terms_of

BATCH = 1000
Entry = tuple[str, int]

_EVENTS = "SELECT sequence, canonical FROM audit_auditevent WHERE sequence > %s AND sequence <= %s ORDER BY sequence"
_COUNT = f"SELECT COUNT(*) FROM {TABLE} WHERE sequence <= %s"  # noqa: S608 - a constant


class SearchCheck:
    """One run over a ledger that is sound. Afterwards `fault` is what was found, None if every entry is there."""

    def __init__(self) -> None:
        self.size = proofs.size()
        self.fault: LedgerFault | None = None

    def run(self) -> Iterator[int]:
        """Check, yielding the number of events that are done after each batch. It stops at the first that lacks one."""
        expected = 0
        for start in range(0, self.size, BATCH):
            events = read(_EVENTS, start, min(start + BATCH, self.size))
            entries = {(term, number) for number, text in events for term in terms_of(json.loads(text))}
            if lost := entries - _there(entries):
                term, number = min(lost, key=lambda entry: entry[1])
                self.fault = LedgerFault(
                    f"Event {number} is not found by “{term}”: that entry of the search is gone.", number
                )
                return
            expected += len(entries)
            yield min(start + BATCH, self.size)
        more = read(_COUNT, self.size)[0][0] - expected
        if more:
            self.fault = LedgerFault(f"The search finds events by {more} more entries than they have.", 0)


def _there(entries: set[Entry]) -> set[Entry]:
    given, values = dialects.given_pairs(sorted(entries))
    return set(read(f"SELECT term, sequence FROM {given} JOIN {TABLE} USING (term, sequence)", *values))  # noqa: S608
