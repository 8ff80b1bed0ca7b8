"""Holds each request, approval and key against what the events say of it, and names what no event explains.

It reads a few hundred rows at a time, with the events that changed them. What differs is looked at once more while
nothing can be appended: a row and its event come together.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from django.db import transaction
from django.db.models import Model, QuerySet

from keys_app.audit import ledger
from keys_app.key_requests.decision_models import Approval
from keys_app.key_requests.models import KeyRequest
from keys_app.keys.models import ApiKey

from .told_by_events import KEY_MADE, TOLD_OF_KEYS, TOLD_OF_REQUESTS, Told, key_as_told, request_as_told

AT_ONCE = 200
SHOWN = 20


class RowCheck:
    """One comparison. Afterwards `count` says how many sentences `say` was given, and `first` has the first of them."""

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say = say
        self.count = 0
        self.first: list[str] = []

    def run(self) -> None:
        """Look at all rows, then at all events of rows that should be there."""
        kept = {str(event.details.get("marker")) for event in ledger.of_actions(["key.kept"])}
        self._compare(KeyRequest.objects.select_related("requester"), lambda rows: _of_requests(rows, kept))
        self._compare(ApiKey.objects.select_related("owner"), _of_keys)
        self._look_for(KeyRequest, "request", ["request.created"], "request_id")
        self._look_for(ApiKey, "key", KEY_MADE, "key_sid")

    def _compare(self, rows: QuerySet[Any], differences: Callable[[list[Any]], Iterator[tuple[Any, str]]]) -> None:
        rows, last = rows.order_by("pk"), None
        while batch := list((rows.filter(pk__gt=last) if last else rows)[:AT_ONCE]):
            last = batch[-1].pk
            if suspects := list(dict.fromkeys(pk for pk, _ in differences(batch))):
                with transaction.atomic():
                    ledger.lock()
                    found = [words for _, words in differences(list(rows.filter(pk__in=suspects)))]
                self._tell(found)

    def _look_for(self, model: type[Model], what: str, actions: Iterable[str], column: str) -> None:
        """Tell of events that made a row which is not there. Rows are never deleted."""
        events = iter(ledger.of_actions(actions))
        while batch := {getattr(event, column): event.sequence for event in islice(events, AT_ONCE)}:
            there = {str(pk) for pk in model._base_manager.filter(pk__in=list(batch)).values_list("pk", flat=True)}
            gone = {name: number for name, number in batch.items() if name not in there}
            self._tell(
                f"The {what} {name}, which event {number} tells of, is not there." for name, number in gone.items()
            )

    def _tell(self, found: Iterable[str]) -> None:
        for words in found:
            self.count += 1
            self.first += [words] if len(self.first) < SHOWN else []
            self._say(words)


def _of_requests(rows: list[KeyRequest], kept: set[str]) -> Iterator[tuple[Any, str]]:
    events: dict[str, list[Any]] = defaultdict(list)
    for event in ledger.about(TOLD_OF_REQUESTS, request_ids=[str(row.pk) for row in rows]):
        events[event.request_id].append(event)
    approvals: dict[Any, list[Approval]] = defaultdict(list)
    for approval in Approval.objects.filter(request__in=rows).select_related("approver"):
        approvals[approval.request_id].append(approval)
    for row in rows:
        told = request_as_told(events[str(row.pk)], kept)
        stored = {
            "requester": str(row.requester_id),
            "account": row.account_id,
            "name": row.friendly_name,
            "policy": row.policy_json,
            "lifetime": row.lifetime_days,
            "state": row.state,
        }
        for words in [*_differences("request", row.pk, stored, told), *_of_approvals(row, approvals[row.pk], told)]:
            yield row.pk, words


def _of_approvals(row: KeyRequest, approvals: list[Approval], told: Told | None) -> Iterator[str]:
    """Tell of approvals and other decisions without an event, and the other way round."""
    events = dict(told.decisions) if told else {}
    for one in approvals:
        who = str(one.approver_id or one.rule_name)
        fits = [number for number, said in events.items() if said == (one.decision, who, one.reason)]
        if fits:
            del events[fits[0]]
        else:
            yield f"Approval {one.pk} of request {row.pk}: {one}, and no event says so."
    for number, (decision, _, _) in events.items():
        yield f"Request {row.pk}: event {number} says that it was {decision}, and there is no such approval."
    void, said_void = sum(one.void_at is not None for one in approvals), told.void if told else 0
    if void != said_void:
        yield f"Request {row.pk}: {void} of its approvals are void; by the events, {said_void}."


def _of_keys(rows: list[ApiKey]) -> Iterator[tuple[Any, str]]:
    events: dict[str, list[Any]] = defaultdict(list)
    for event in ledger.about(TOLD_OF_KEYS, key_sids=[row.pk for row in rows]):
        events[event.key_sid].append(event)
    for row in rows:
        told = key_as_told(events[row.pk], row.owner)
        stored = {
            "owner": str(row.owner_id),
            "account": row.account_id,
            "request": str(row.request_id or ""),
            "policy": row.policy_json,
            "expiry": row.expires_at,
            "state": row.state,
        }
        for words in _differences("key", row.pk, stored, told):
            yield row.pk, words


def _differences(what: str, name: object, stored: dict[str, object], told: Told | None) -> Iterator[str]:
    if told is None:
        yield f"The {what} {name}: no event says how it came about. Its state is {stored['state']}."
        return
    for field, value in stored.items():
        said = told.values.get(field, value)
        if said != value:
            number = told.numbers.get(field, told.last)
            yield f"The {what} {name}: its {field} is {value}; by event {number} it is {said}."
