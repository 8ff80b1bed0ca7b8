"""Exports of the audit. Each is an event itself, written before the first line leaves."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from keys_app.audit import ledger
from keys_app.audit.export import formats, jsonl
from keys_app.audit.ledger import LedgerDamaged
from keys_app.audit.merkle import parts
from keys_app.audit.record import record
from keys_app.audit.search.engine import EVERY, Search
from keys_app.audit.search.query import Query
from keys_app.core.actor import Actor
from keys_app.core.errors import HistoryReplaced, PortalError
from keys_app.core.times import rfc3339
from keys_app.keys.models import ApiKey
from keys_app.reconcile import ledger_check
from keys_app.reconcile.ledger_check import sign_checkpoint
from keys_app.users import limits

from . import dossier

log = logging.getLogger(__name__)


def export_search(*, kind: str, query: Query, actor: Actor, bom: bool = False) -> Iterator[bytes]:
    """Record the export of what a query finds, and return it in pieces: as `csv`, `jsonl` or `ocsf`.

    With `bom` a CSV begins with a byte order mark, by which spreadsheets know that it is UTF-8.

    It holds the events there were before it, so not its own. Between two pieces nothing is held in the database, and
    whoever closes the iterator before its end, as a server does when the reader hangs up, stops the work.
    JSON Lines raises `NotConfigured` or `CheckpointNotKept` where nothing can be signed.
    """
    asked, upto = {"filter": query.render()}, ledger.size()
    if kind == "jsonl":
        rows = Search(query, upto=upto if query.terms else EVERY).rows()  # what proves itself whole has to be whole
        pieces = export_jsonl(actor=actor, events=rows, filtered=bool(query.terms), header=asked).pieces
        return _noting_the_end(pieces, kind)
    record_export(actor=actor, form=kind, filtered=bool(query.terms), header=asked)
    search = Search(query, upto=upto)
    if kind == "ocsf":
        return _noting_the_end(_encoded(formats.ocsf_export(search)), kind)
    header = [
        ("filter", query.render()),
        ("exported at", rfc3339(timezone.now())),
        ("events up to", str(upto)),
        ("checkpoint", _checkpoint()),
        *(("seam", str(seam)) for seam in parts.seams()),
    ]
    return _noting_the_end(_encoded(chain(["\ufeff"] * bom, formats.csv_export(search, header))), kind)


def _checkpoint() -> str:
    """Return a checkpoint over all there is, or why there is none."""
    try:
        return ledger_check.sign_checkpoint().note
    except PortalError as error:
        return f"none. {error.message}"


def export_about(*, subject: ApiKey | User, actor: Actor) -> Iterator[bytes]:
    """Record the export of everything about one key or one person, and return it as JSON Lines.

    What they are now stands in the header, every event follows with its proof. Raises as JSON Lines do.
    """
    if isinstance(subject, ApiKey):
        about, records = {"about": f"key {subject.pk}"}, dossier.records_of_key(subject)
    else:
        about, records = {"about": f"person {subject.get_username()}"}, dossier.records_of_person(subject)
    record_export(actor=actor, form="jsonl", filtered=True, header=about)
    header = {**about, "records": list(records)}
    pieces = jsonl.jsonl(dossier.events_about(subject), filtered=True, header=header)
    return _noting_the_end(pieces, "jsonl")


def _encoded(texts: Iterable[str]) -> Iterator[bytes]:
    for text in texts:
        yield text.encode()


def _noting_the_end(pieces: Iterator[bytes], kind: str) -> Iterator[bytes]:
    done = False
    try:
        yield from pieces
        done = True
    finally:
        if not done:
            log.info("an export as %s ended early: the reader hung up, or reading failed", kind)


@dataclass(frozen=True, slots=True)
class Exported:
    """The pieces of an export, and what is wrong with the ledger, empty if nothing is known to be."""

    pieces: Iterator[bytes]
    problem: str


def export_jsonl(
    *, actor: Actor, events: QuerySet[ledger.AuditEvent], filtered: bool, header: Mapping[str, object]
) -> Exported:
    """Record an export and start it. Raises what `export.jsonl` raises, before there is a first piece.

    `header` says what was asked for; it is in the event as well as in the file. A ledger that does not extend
    its last checkpoint raises an alarm and is exported all the same, for whoever looks into it, even if it is
    so damaged that the export cannot be recorded.
    """
    problem = ""
    try:
        record_export(actor=actor, form="jsonl", filtered=filtered, header=header)
        sign_checkpoint()
    except (HistoryReplaced, LedgerDamaged) as error:
        problem = str(error)
    return Exported(jsonl.jsonl(events, filtered=filtered, header=header), problem)


def record_export(*, actor: Actor, form: str, filtered: bool, header: Mapping[str, object]) -> None:
    """Count an export and append its event, before anything of it leaves the portal. Raises `TooMany`."""
    limits.count("exports", actor)
    with transaction.atomic(durable=True):
        record("audit.exported", actor, format=form, filtered=filtered, details=header)
