"""Compares three lists: the keys at Twilio, the keys in the portal, and the events in the ledger.

Twilio's side is what the simulator really did, not what it answered. What the portal should have done is known from
what people typed and saw, not from its database.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any

from .world import World

STARTS = ("key.issue_started", "key.rotate_started")
ENDS = (
    "key.issued",
    *(f"key.{verb}_{end}" for verb in ("issue", "rotate") for end in ("refused", "not_processed")),
    "key.never_created",
    "key.orphan_deleted",
    "key.breach_deleted",
    "key.breach",
)
"""What an attempt to make a key begins with and can end in."""

DELETIONS = ("key.orphan_deleted", "key.breach_deleted", "key.breach")
"""What says that a key which never became one of the portal's is gone, and names it."""


@dataclass
class Difference:
    """What does not agree, a line each. False if everything does.

    `unsettled` may still be settled by reconciling again; at the end it counts as unaccounted for.
    """

    in_use_deleted: list[str] = field(default_factory=list)
    believed_gone: list[str] = field(default_factory=list)
    unalarmed: list[str] = field(default_factory=list)
    unaccounted: list[str] = field(default_factory=list)
    wrongly_shown: list[str] = field(default_factory=list)
    missing_events: list[str] = field(default_factory=list)
    unsettled: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        return [f"{item.name}: {line}" for item in fields(self) for line in getattr(self, item.name)]

    def without(self, known: set[str]) -> "Difference":
        """Return the difference without lines that were reported before."""
        rest = {item.name: [line for line in getattr(self, item.name) if line not in known] for item in fields(self)}
        return Difference(**rest)

    def __bool__(self) -> bool:
        return bool(self.lines())


class Events:
    """The ledger's events, countable by what they are about."""

    def __init__(self, events: Iterable[Any]) -> None:
        self.sequences: list[int] = []
        self._counts: Counter[tuple[str, str]] = Counter()
        for event in events:
            self.sequences.append(event.sequence)
            marker = json.loads(event.canonical)["details"].get("marker", "")
            for subject in {event.key_sid, event.request_id, marker} - {""}:
                self._counts[event.action, subject] += 1

    def count(self, action: str, subject: object) -> int:
        return self._counts[action, str(subject)]

    def sum(self, actions: Iterable[str], subject: object) -> int:
        return sum(self.count(action, subject) for action in actions)


def compare(world: World) -> Difference:
    """Return what does not agree at this moment."""
    from keys_app.audit import ledger
    from keys_app.key_requests.models import Issuance
    from keys_app.keys.models import ApiKey
    from keys_app.reconcile.models import UnmanagedKey

    truth = world.standin.truth()
    found = Difference()
    events = Events(ledger.matching().order_by("sequence"))
    keys = {key.sid: key for key in ApiKey.objects.all()}
    by_hand = world.found & set(UnmanagedKey.objects.filter(gone_at=None).values_list("sid", flat=True))
    _compare_twilio(truth["keys"], keys, by_hand, events, found)
    _compare_keys(keys, {key["sid"] for key in truth["keys"] if key["exists"]}, events, found)
    _compare_attempts(list(Issuance.objects.all()), truth["asked"], events, found)
    found.in_use_deleted += in_use_deleted(world, truth["keys"])
    _compare_shown(world, {key["secret_sha256"]: key for key in truth["keys"]}, keys, found)
    _compare_requests(world, events, found)
    return found


def in_use_deleted(world: World, made: list[dict[str, Any]]) -> list[str]:
    """Return a line for each key that somebody has the secret of and did not end, and that is gone at Twilio.

    `made` are the keys of `StandIn.truth()`.
    """
    gone = {key["sid"] for key in made if not key["exists"]}
    return [f"{sid} is in use and was deleted" for sid in sorted(world.in_use() & gone)]


def _compare_twilio(
    made: list[dict[str, Any]], keys: dict[str, Any], by_hand: set[str], events: Events, found: Difference
) -> None:  # fmt: skip
    """Each key that was ever made is one of the portal's, or was deleted with an event that names it.

    `by_hand` are those that somebody made at Twilio and that stand before a person.
    """
    for key in made:
        sid, known = key["sid"], keys.get(key["sid"])
        if key["exists"] and known is None and sid in by_hand:
            continue
        if key["exists"] and known is None:
            found.unaccounted.append(f"{sid} “{key['friendly_name']}” exists at Twilio, not in the portal")
        elif key["exists"] and known.state == "revoked":
            found.believed_gone.append(f"{sid} exists at Twilio, and the portal says it was deleted")
        elif key["exists"] and key["policy"] != sorted(known.policy):
            found.unaccounted.append(f"{sid} may do other things at Twilio than the portal says")
        if not key["exists"] and known is None:
            _require(events.sum(DELETIONS, sid) > 0, f"deletion of {sid}", found)


def _compare_keys(keys: dict[str, Any], existing: set[str], events: Events, found: Difference) -> None:
    """Each key of the portal exists at Twilio if and only if the portal says so, and its events are all there."""
    for sid, key in keys.items():
        made = "key.adopted" if key.adopted_at else "key.issued"
        _require(events.count(made, sid) == 1, f"one {made} of {sid}", found)
        if key.state == "active" and sid not in existing:
            found.unaccounted.append(f"{sid} is live in the portal and not at Twilio")
        if key.state == "revoking":
            found.unsettled.append(f"{sid} is not deleted yet")
        if key.state != "active":
            started = events.sum(("key.revoke_started", "key.replace_started"), sid)
            _require(started == 1, f"one start of the revocation of {sid}", found)
        if key.retires_at:
            _require(events.count("key.rotated", sid) == 1, f"one key.rotated of {sid}", found)
        if key.state == "revoked":
            _require(events.count("key.revoked", sid) == 1, f"one key.revoked of {sid}", found)


def _compare_attempts(attempts: list[Any], asked: list[str], events: Events, found: Difference) -> None:
    """Each attempt has its beginning and its end in the ledger, and Twilio was asked for nothing else."""
    from keys_app.permissions.naming import find_marker

    for attempt in attempts:
        _require(events.sum(STARTS, attempt.marker) == 1, f"start of {attempt.marker}", found)
        if attempt.state in ("started", "unknown"):
            found.unsettled.append(f"attempt {attempt.marker} is open")
        else:
            _require(events.sum(ENDS, attempt.marker) > 0, f"end of {attempt.marker} ({attempt.state})", found)
    for name in filter(find_marker, asked):  # by hand a key is made without one
        _require(events.sum(STARTS, find_marker(name)) == 1, f"start of “{name}”", found)


def _compare_shown(
    world: World, made: dict[str, dict[str, Any]], keys: dict[str, Any], found: Difference
) -> None:  # fmt: skip
    """Each secret somebody saw is that of a key with the approved policy, which the portal knows."""
    for request_id, sid, digest in world.shown:
        key, known = made.get(digest), keys.get(sid)
        policy = sorted(world.approved[request_id])
        if key is None or key["sid"] != sid or key["policy"] != policy:
            found.wrongly_shown.append(f"{sid} was shown for request {request_id}, whose policy it does not have")
        if known is None or str(known.request_id) != request_id:
            found.unaccounted.append(f"{sid} was shown and is not in the portal")


def _compare_requests(world: World, events: Events, found: Difference) -> None:
    for request_id in world.approved:
        both = events.count("request.created", request_id) == events.count("request.approved", request_id) == 1
        _require(both, f"request.created and request.approved of {request_id}", found)
    numbers = events.sequences
    _require(numbers == list(range(1, len(numbers) + 1)), "a number in the ledger", found)


def _require(condition: bool, what: str, found: Difference) -> None:
    if not condition:
        found.missing_events.append(what)
