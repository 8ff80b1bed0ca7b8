"""Maps an event to the Open Cybersecurity Schema Framework, version 1.2.0: class Entity Management (3004).

Which attributes the class requires is in its schema (https://schema.ocsf.io/1.2.0/classes/entity_management):
activity_id, category_uid, class_uid, severity_id, time, type_uid, metadata, entity.
"""

import json
from datetime import datetime
from functools import lru_cache

from keys_app.core.actor import with_login

VERSION = "1.2.0"
CATEGORY, CLASS = 3, 3004
CREATE, READ, UPDATE, DELETE = 1, 2, 3, 4
INFORMATIONAL, HIGH = 1, 4
PRODUCT = {"name": "Key portal", "vendor_name": "Key portal"}
_VERBS = {
    CREATE: ("created", "issued", "connected", "opened", "key_made"),
    READ: ("exported", "read", "feed_read", "signed_in", "verified"),
    DELETE: ("deleted", "revoked", "orphan_deleted", "breach_deleted", "key_deleted"),
}
_GRAVE = ("breach", "orphan", "drift", "unmanaged", "refused", "failed", "recovered")
_NAMES = {1: "Create", 2: "Read", 3: "Update", 4: "Delete"}


def event(canonical: str) -> dict[str, object]:
    """Return the OCSF event for an event's canonical JSON, which goes along whole as `raw_data`."""
    body = json.loads(canonical)
    activity = _activity(body["action"])
    moment = datetime.fromisoformat(body["time"])
    about = body["key_sid"] or body["request_id"] or body["account_sid"]
    by = with_login(body["actor_name"], body.get("login", ""))
    mapped: dict[str, object] = {
        "activity_id": activity,
        "activity_name": _NAMES[activity],
        "category_uid": CATEGORY,
        "category_name": "Identity & Access Management",
        "class_uid": CLASS,
        "class_name": "Entity Management",
        "type_uid": CLASS * 100 + activity,
        "type_name": f"Entity Management: {_NAMES[activity]}",
        "severity_id": _severity(body["action"]),
        "time": int(moment.timestamp() * 1000),
        "message": f"{body['action']} by {by}{about and f' on {about}'}",
        "metadata": {
            "version": VERSION,
            "product": PRODUCT,
            "uid": str(body["sequence"]),
            "sequence": body["sequence"],
            "event_code": body["action"],
            "original_time": body["time"],
            "log_name": "audit",
        },
        "actor": _actor(body),
        "entity": _entity(body),
        "raw_data": canonical,
    }
    if body["reason"]:
        mapped["comment"] = body["reason"]
    if body["address"]:
        mapped["src_endpoint"] = {"ip": body["address"]}
    return mapped


def unreadable(sequence: int, canonical: str) -> dict[str, object]:
    """Return an event for a row of the ledger that cannot be read."""
    return {
        "activity_id": 0,
        "category_uid": CATEGORY,
        "class_uid": CLASS,
        "type_uid": CLASS * 100,
        "severity_id": HIGH,
        "time": 0,
        "message": f"event {sequence} of the ledger cannot be read",
        "metadata": {"version": VERSION, "product": PRODUCT, "uid": str(sequence), "sequence": sequence},
        "entity": {"type": "audit", "uid": "audit"},
        "raw_data": canonical,
    }


@lru_cache(maxsize=500)
def _activity(action: str) -> int:
    verb = action.rpartition(".")[2]
    return next((activity for activity, verbs in _VERBS.items() if verb in verbs), UPDATE)


@lru_cache(maxsize=500)
def _severity(action: str) -> int:
    return HIGH if any(word in action for word in _GRAVE) else INFORMATIONAL


def _actor(body: dict[str, str]) -> dict[str, object]:
    """Return a person as a user, and a part of the portal as an application."""
    if not body["actor_id"]:
        return {"app_name": body["actor_name"]}
    return {"user": {"uid": body["actor_id"], "name": body.get("login") or body["actor_name"]}}


def _entity(body: dict[str, object]) -> dict[str, object]:
    """Return what the event is about: the key, the request, the account, or what the details name."""
    details = body["details"] if isinstance(body["details"], dict) else {}
    family = str(body["action"]).partition(".")[0]
    kinds = (("key_sid", "API key"), ("request_id", "key request"), ("account_sid", "account"))
    uid, kind = next(((str(body[field]), kind) for field, kind in kinds if body[field]), ("", family))
    name = str(details.get("subject") or details.get("name") or "")
    entity: dict[str, object] = {"type": kind, "uid": uid or str(details.get("subject_id") or "") or family}
    if name:
        entity["name"] = name
    if body["policy"] or body.get("risk"):  # a risk alone is that of a key without a policy
        policy = json.loads(str(body["policy"])) if body["policy"] else None
        entity["data"] = {"policy": policy, "risk": body.get("risk", "")}
    return entity
