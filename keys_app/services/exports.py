"""Exports of the audit. Each is an event itself, written before the first line leaves."""

import logging
from collections.abc import Iterable, Iterator

from django.contrib.auth.models import User
from django.utils import timezone

from .. import selectors
from ..audit import export, formats, ledger
from ..audit.query import Query
from ..audit.searching import EVERY, Search
from ..domain.errors import PortalError
from ..domain.times import rfc3339
from ..models import ApiKey
from . import auditing
from .actors import Actor

log = logging.getLogger(__name__)


def export_search(*, kind: str, query: Query, actor: Actor) -> Iterator[bytes]:
    """Record the export of what a query finds, and return it in pieces: as `csv`, `jsonl` or `ocsf`.

    It holds the events there were before it, so not its own. Between two pieces nothing is held in the database, and
    whoever closes the iterator before its end, as a server does when the reader hangs up, stops the work.
    JSON Lines raises `NotConfigured` or `CheckpointNotKept` where nothing can be signed.
    """
    asked, upto = {"filter": query.render()}, ledger.size()
    if kind == "jsonl":
        rows = Search(query, upto=upto if query.terms else EVERY).rows()  # what proves itself whole has to be whole
        pieces = auditing.export_jsonl(actor=actor, events=rows, filtered=bool(query.terms), header=asked).pieces
        return _noting_the_end(pieces, kind)
    auditing.record_export(actor=actor, form=kind, filtered=bool(query.terms), header=asked)
    search = Search(query, upto=upto)
    if kind == "ocsf":
        return _noting_the_end(_encoded(formats.ocsf_export(search)), kind)
    header = [
        ("filter", query.render()),
        ("exported at", rfc3339(timezone.now())),
        ("events up to", str(upto)),
        ("checkpoint", _checkpoint()),
    ]
    return _noting_the_end(_encoded(formats.csv_export(search, header)), kind)


def _checkpoint() -> str:
    """Return a checkpoint over all there is, or why there is none."""
    try:
        return auditing.sign_checkpoint().note
    except PortalError as error:
        return f"none. {error.message}"


def export_about(*, subject: ApiKey | User, actor: Actor) -> Iterator[bytes]:
    """Record the export of everything about one key or one person, and return it as JSON Lines.

    What they are now stands in the header, every event follows with its proof. Raises as JSON Lines do.
    """
    if isinstance(subject, ApiKey):
        about, records = {"about": f"key {subject.pk}"}, selectors.records_of_key(subject)
    else:
        about, records = {"about": f"person {subject.get_username()}"}, selectors.records_of_person(subject)
    auditing.record_export(actor=actor, form="jsonl", filtered=True, header=about)
    header = {**about, "records": list(records)}
    pieces = export.jsonl(selectors.events_about(subject), filtered=True, header=header)
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
