"""Exports of the audit. Each is an event itself, written before the first line leaves."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from .. import selectors
from ..audit import formats, ledger
from ..audit.query import Query
from ..audit.searching import Search
from ..models import ApiKey
from .actors import Actor, record

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Export:
    """What is exported: the events of a query with numbers up to `upto`, so that later ones change nothing."""

    kind: str
    query: Query
    upto: int
    at: datetime

    def header(self) -> list[tuple[str, str]]:
        return [
            ("filter", self.query.render()),
            ("time", self.at.astimezone(UTC).isoformat(timespec="seconds")),
            ("events up to", str(self.upto)),
        ]


def start_export(*, kind: str, query: Query, actor: Actor) -> Export:
    """Fix what is exported and record that it is."""
    with transaction.atomic(durable=True):
        upto = ledger.size()
        record("audit.exported", actor, format=kind, filter=query.render(), events_up_to=upto)
    return Export(kind, query, upto, timezone.now())


def stream(export: Export) -> Iterator[bytes]:
    """Write the export piece by piece. Between two pieces nothing is held in the database.

    Whoever closes the iterator before its end, as a server does when the reader hangs up, stops the work.
    """
    search = Search(export.query, upto=export.upto)
    if export.kind == "csv":
        return _noting_the_end(formats.csv_export(search, export.header()), export.kind)
    return _noting_the_end(formats.ocsf_export(search), export.kind)


def _noting_the_end(lines: Iterator[str], kind: str) -> Iterator[bytes]:
    done = False
    try:
        for text in lines:
            yield text.encode()
        done = True
    finally:
        if not done:
            log.info("an export as %s ended early: the reader hung up, or reading failed", kind)


def export_about(*, subject: ApiKey | User, actor: Actor) -> Iterator[bytes]:
    """Return everything about one key or one person as JSON Lines: what they are now, and every event."""
    is_key = isinstance(subject, ApiKey)
    about = f"key {subject.pk}" if is_key else f"person {subject.get_username()}"
    with transaction.atomic(durable=True):
        upto = ledger.size()
        record("audit.exported", actor, key_sid=subject.pk if is_key else "", format="jsonl", about=about)
    header = {"about": about, "time": timezone.now().isoformat(timespec="seconds"), "events_up_to": upto}
    records = selectors.records_of_key(subject) if is_key else selectors.records_of_person(subject)
    searches = [Search(query, upto=upto) for query in selectors.queries_about(subject)]
    facts = (json.dumps(line, ensure_ascii=False) + "\n" for line in ({"header": header}, *records))
    return _noting_the_end(chain(facts, formats.event_lines(*searches)), "jsonl")
