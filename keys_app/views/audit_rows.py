"""Events as lines of a table, with as little as possible left for the template to do a hundred times."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from ..audit import ledger
from ..domain.risk import explain

_SHOWN = 160


@dataclass(slots=True)
class Row:
    """What a line shows of an event. `details` and `policy` are HTML."""

    sequence: int
    url: str
    iso: str
    time: str
    actor_name: str
    action: str
    details: SafeString
    key_sid: str
    key_url: str
    request_url: str
    request_id: str
    account_sid: str
    policy: SafeString
    reason: str
    address: str


def rows(events: Iterable[ledger.AuditEvent]) -> list[Row]:
    """Return the lines for these events."""
    listed = reverse("portal:audit_list")
    return [_row(event, f"{listed}{event.sequence}/") for event in events]


def _row(event: ledger.AuditEvent, url: str) -> Row:
    long = len(event.reason) > _SHOWN
    return Row(
        sequence=event.sequence,
        url=url,
        iso=event.time.isoformat(timespec="seconds"),
        time=f"{event.time:%Y-%m-%d %H:%M:%S}",
        actor_name=event.actor_name,
        action=event.action,
        details=_details(event, long),
        key_sid=event.key_sid,
        key_url=_url("audit_key", event.key_sid),
        request_url=_url("request_detail", event.request_id),
        request_id=event.request_id,
        account_sid=event.account_sid,
        policy=_policy(event.policy) if event.policy else SafeString(),
        reason=event.reason[: _SHOWN - 1] + "…" if long else event.reason,
        address=event.address,
    )


def _details(event: ledger.AuditEvent, with_reason: bool) -> SafeString:
    found = dict(json.loads(event.canonical)["details"])
    if with_reason:
        found["reason"] = event.reason
    return format_html_join("", '<dt>{}</dt><dd translate="no">{}</dd>', found.items())


@lru_cache(maxsize=1024)
def _url(name: str, value: str) -> str:
    """Return the address of a key or request; empty for none, or for a value of another shape."""
    try:
        return reverse(f"portal:{name}", args=[value]) if value else ""
    except NoReverseMatch:
        return ""


@lru_cache(maxsize=1024)
def _policy(policy: str) -> SafeString:
    """Return a policy in words and names. Many events have the same one."""
    names = json.loads(policy)["allow"]
    reasons = explain(names)
    sentences = [(reason.sentence[:1].upper() + reason.sentence[1:], reason.risk) for reason in reasons]
    return format_html(
        '<details><summary>{}<span class="visually-hidden"> permissions</span></summary><ul class="small">{}</ul>'
        '<code translate="no">{}</code></details>',
        len(names),
        format_html_join("", "<li>{} ({})</li>", sentences),
        " ".join(names),
    )
