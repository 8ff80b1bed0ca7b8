"""What Twilio does wrong in a kill test, by the call that it does it to."""

from typing import Any

Fault = list[dict[str, Any]]
"""Orders for the simulator, see `Faults.add` there. Several for one that shows in two calls."""

HANG = {"fault": "hang", "seconds": 0.7}  # the client waits 0.4 s
LATE = 1.3  # longer than the grace period of the reconciler

CREATE: dict[str, Fault] = {
    "none": [],
    "dropped before processing": [{"fault": "drop_before"}],
    "processed and dropped": [{"fault": "drop_after"}],
    "delayed past the timeout": [HANG],
    "reset mid-body": [{"fault": "reset"}],
    "500 after processing": [{"fault": "error_after"}],
    "429": [{"fault": "rate_limit", "retry_after": 1}],
    "307": [{"fault": "redirect"}],
    "truncated 201": [{"fault": "truncated"}],
    "201 that is not JSON": [{"fault": "html"}],
    "201 with policy null": [{"fault": "null_policy"}],
    "201 with another policy": [{"fault": "other_policy"}],
    "201, and listed late": [{"fault": "late_listing", "hide": LATE}],
    "dropped, and listed late": [{"fault": "drop_after", "hide": LATE}],
    "listed twice": [{"fault": "drop_after"}, {"fault": "duplicates", "times": 2}],
    "next page elsewhere": [{"fault": "drop_after"}, {"fault": "foreign_page"}],
}

DELETE: dict[str, Fault] = {
    name: [{**fault, "operation": "delete"} for fault in orders]
    for name, orders in {
        "none": [],
        "dropped before processing": [{"fault": "drop_before"}],
        "processed and dropped": [{"fault": "drop_after"}],
        "delayed past the timeout": [HANG],
        "reset": [{"fault": "reset"}],
        "500 before processing": [{"fault": "error_before"}],
        "500 after processing": [{"fault": "error_after"}],
        "429": [{"fault": "rate_limit", "retry_after": 1}],
        "307": [{"fault": "redirect"}],
        "401": [{"fault": "unauthorized"}],
        "404 of somebody else": [{"fault": "refuse", "status": 404, "code": 1, "message": "no such page"}],
    }.items()
}

FETCH: dict[str, Fault] = {
    name: [{**fault, "operation": "fetch"} for fault in orders]
    for name, orders in {
        "none": [],
        "dropped": [{"fault": "drop_after"}],
        "delayed past the timeout": [HANG],
        "reset": [{"fault": "reset"}],
        "500": [{"fault": "error_before"}],
        "429": [{"fault": "rate_limit", "retry_after": 1}],
        "truncated": [{"fault": "truncated"}],
    }.items()
}

RECONCILE: dict[str, Fault] = {
    **DELETE,
    "listed twice": [{"fault": "duplicates", "times": 3}],
    "next page elsewhere": [{"fault": "foreign_page"}],
    "listing cut off": [{"fault": "truncated", "operation": "list"}],
    "listing reset": [{"fault": "reset", "operation": "list"}],
}

MIX = [
    *(orders[0] for name, orders in CREATE.items() if orders and name not in ("listed twice", "next page elsewhere")),
    *(orders[0] for orders in DELETE.values() if orders),
    *({"fault": fault} for fault in ("duplicates", "foreign_page")),
    *({"fault": fault, "operation": "list"} for fault in ("truncated", "reset", "rate_limit")),
]
