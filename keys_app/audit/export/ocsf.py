"""Maps an event to the Open Cybersecurity Schema Framework, version 1.2.0: class Entity Management (3004).

Which attributes the class requires is in its schema (https://schema.ocsf.io/1.2.0/classes/entity_management):
activity_id, category_uid, class_uid, severity_id, time, type_uid, metadata, entity.
"""

import json
from datetime import datetime
from functools import lru_cache
from json.encoder import encode_basestring

from keys_app.core.actor import with_login

VERSION = "1.2.0"
CATEGORY, CLASS = 3, 3004
CREATE, READ, UPDATE, DELETE = 1, 2, 3, 4
INFORMATIONAL, HIGH = 1, 4
PRODUCT = '{"name": "Key portal", "vendor_name": "Key portal"}'
_VERBS = {
    CREATE: ("created", "issued", "connected", "opened", "key_made"),
    READ: ("exported", "read", "feed_read", "signed_in", "verified"),
    DELETE: ("deleted", "revoked", "orphan_deleted", "breach_deleted", "key_deleted"),
}
_GRAVE = ("breach", "orphan", "drift", "unmanaged", "refused", "failed", "recovered")
_NAMES = {1: "Create", 2: "Read", 3: "Update", 4: "Delete"}


def line(canonical: str) -> str:
    """Return the OCSF event for an event's canonical JSON, which goes along whole as `raw_data`, as a line of JSON.

    It is written into a frame instead of encoded whole: the frame is the same for an action, and policies come again.
    """
    body = json.loads(canonical)
    action, number, time = body["action"], body["sequence"], body["time"]
    about = body["key_sid"] or body["request_id"] or body["account_sid"]
    by = with_login(body["actor_name"], body.get("login", ""))
    message = f"{action} by {by}{about and f' on {about}'}"
    more = f', "comment": {_json(body["reason"])}' if body["reason"] else ""
    if body["address"]:
        more += f', "src_endpoint": {{"ip": {_json(body["address"])}}}'
    return (
        f'{_frame(action)}"time": {int(datetime.fromisoformat(time).timestamp() * 1000)}, "message": {_json(message)}, '
        f'"metadata": {{"version": "{VERSION}", "product": {PRODUCT}, "uid": {_json(str(number))}, '
        f'"sequence": {_json(number)}, "event_code": {_json(action)}, "original_time": {_json(time)}, '
        f'"log_name": "audit"}}, "actor": {_actor(body)}, "entity": {_entity(body)}, '
        f'"raw_data": {_json(canonical)}{more}}}'
    )


def _json(value: object) -> str:
    """Return a value as JSON; nearly all are text."""
    return encode_basestring(value) if type(value) is str else json.dumps(value, ensure_ascii=False)


@lru_cache(maxsize=500)
def _frame(action: str) -> str:
    """Return the beginning of an event's line, up to its time."""
    activity = _activity(action)
    return (
        f'{{"activity_id": {activity}, "activity_name": "{_NAMES[activity]}", "category_uid": {CATEGORY}, '
        f'"category_name": "Identity & Access Management", "class_uid": {CLASS}, "class_name": "Entity Management", '
        f'"type_uid": {CLASS * 100 + activity}, "type_name": "Entity Management: {_NAMES[activity]}", '
        f'"severity_id": {_severity(action)}, '
    )


def unreadable(sequence: int, canonical: str) -> str:
    """Return the line for a row of the ledger that cannot be read."""
    unknown = {
        "activity_id": 0,
        "category_uid": CATEGORY,
        "class_uid": CLASS,
        "type_uid": CLASS * 100,
        "severity_id": HIGH,
        "time": 0,
        "message": f"event {sequence} of the ledger cannot be read",
        "metadata": {
            "version": VERSION,
            "product": json.loads(PRODUCT),
            "uid": str(sequence),
            "sequence": sequence,
        },
        "entity": {"type": "audit", "uid": "audit"},
        "raw_data": canonical,
    }
    return json.dumps(unknown, ensure_ascii=False)


def _activity(action: str) -> int:
    verb = action.rpartition(".")[2]
    return next((activity for activity, verbs in _VERBS.items() if verb in verbs), UPDATE)


def _severity(action: str) -> int:
    return HIGH if any(word in action for word in _GRAVE) else INFORMATIONAL


def _actor(body: dict[str, str]) -> str:
    """Return a person as a user, and a part of the portal as an application."""
    if not body["actor_id"]:
        return f'{{"app_name": {_json(body["actor_name"])}}}'
    name = body.get("login") or body["actor_name"]
    return f'{{"user": {{"uid": {_json(body["actor_id"])}, "name": {_json(name)}}}}}'


_KINDS = (("key_sid", "API key"), ("request_id", "key request"), ("account_sid", "account"))


def _entity(body: dict[str, object]) -> str:
    """Return what the event is about: the key, the request, the account, or what the details name."""
    details = body["details"] if isinstance(body["details"], dict) else {}
    family = str(body["action"]).partition(".")[0]
    uid, kind = next(((str(body[field]), kind) for field, kind in _KINDS if body[field]), ("", family))
    name = str(details.get("subject") or details.get("name") or "")
    named = f', "name": {_json(name)}' if name else ""
    uid = uid or str(details.get("subject_id") or "") or family
    data = ""
    if body["policy"] or body.get("risk"):  # a risk alone is that of a key without a policy
        policy = _policy(str(body["policy"])) if body["policy"] else "null"
        data = f', "data": {{"policy": {policy}, "risk": {_json(body.get("risk", ""))}}}'
    return f'{{"type": {_json(kind)}, "uid": {_json(uid)}{named}{data}}}'


@lru_cache(maxsize=1000)
def _policy(text: str) -> str:
    return json.dumps(json.loads(text), ensure_ascii=False)
