"""Events as lines of a table. A page has many, so each is written with one call and what is alike is kept."""

from collections.abc import Iterable
from functools import lru_cache
from html import escape

from django.urls import NoReverseMatch, reverse
from django.utils.safestring import SafeString

from keys_app.audit import ledger
from keys_app.permissions.risk import explain
from keys_app.views.http import copy, moments

_SHOWN = 160
_NONE = SafeString('<td role="cell" class="none"></td>')
_LINE = """<tr role="row" id="event-{number}">
<td role="cell" data-label="No."><a class="number" href="{listed}{number}/">{number}</a></td>
<td role="cell" data-label="Time">{time}</td>
<td role="cell" data-label="Who"><span>{who}</span></td>
<td role="cell" data-label="Action"><div><code>{action}</code>{details}</div></td>
{about}
{policy}
{reason}
{address}
</tr>
"""


def _html(text: str, *values: str, **named: str) -> SafeString:
    """Do what `format_html` does, for text alone. A page has a thousand, and care for lazy strings costs more."""
    named = {name: value if isinstance(value, SafeString) else escape(value) for name, value in named.items()}
    return SafeString(text.format(*[one if isinstance(one, SafeString) else escape(one) for one in values], **named))


def _each(text: str, values: Iterable[tuple[str, str]]) -> SafeString:
    return SafeString("".join([_html(text, *pair) for pair in values]))


def rows(events: Iterable[ledger.AuditEvent]) -> list[SafeString]:
    """Return the lines for these events, as HTML."""
    listed = reverse("portal:audit_list")
    return [_row(event, listed) for event in events]


def _row(event: ledger.AuditEvent, listed: str) -> SafeString:
    long = len(event.reason) > _SHOWN
    reason = event.reason[: _SHOWN - 1] + "…" if long else event.reason
    return _html(
        _LINE,
        number=str(event.sequence),
        listed=listed,
        time=moments.element(event.time, "second", "nowrap"),
        who=event.who,
        action=event.action,
        details=_details(event, long),
        about=_about(event.key_sid, event.request_id, event.account_sid),
        policy=_policy(names) if (names := event.permissions) else _NONE,
        reason=_cell("Reason", "<span>{}</span>", reason),
        address=_cell("Address", '<span class="mono">{}</span>', event.address),
    )


def _cell(label: str, inside: str, value: str) -> SafeString:
    return _html('<td role="cell" data-label="{}">' + inside + "</td>", label, value) if value else _NONE


def _details(event: ledger.AuditEvent, with_reason: bool) -> SafeString:
    found = event.details
    if with_reason:
        found["reason"] = event.reason
    if not found:
        return SafeString()
    lines = _each('<dt>{}</dt><dd translate="no">{}</dd>', facts(found))
    return _html('<details><summary class="small">Details</summary><dl class="facts">{}</dl></details>', lines)


def facts(details: dict[str, object]) -> list[tuple[str, str]]:
    """Return details for people to read: each name in words and its value as text. What is hashed stays as it is."""
    return [(name.replace("_", " "), _text(value)) for name, value in details.items()]


def _text(value: object) -> str:
    """Return a value as text. Names inside it stay as they are: they may be people's user names."""
    if isinstance(value, str):
        return value or "none"
    if value is None or value in ([], {}):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        if value.keys() == {"from", "to"}:
            return f"{_text(value['from'])} → {_text(value['to'])}"
        return _joined([f"{name}: {_text(one)}" for name, one in value.items()], value.values())
    if isinstance(value, list):
        return _joined([_text(one) for one in value], value)
    return str(value)


def _joined(texts: Iterable[str], values: Iterable[object]) -> str:
    """Join texts with commas; with semicolons where one may have commas of its own."""
    return ("; " if any(isinstance(one, (dict, list)) for one in values) else ", ").join(texts)


@lru_cache(maxsize=1024)
def _about(key_sid: str, request_id: str, account_sid: str) -> SafeString:
    """Return the cell that links to the key and the request."""
    parts = []
    if key_sid:
        parts.append(_html('<div class="sid">{}{}</div>', _link("audit_key", key_sid, key_sid), copy.button(key_sid)))
    if request_id:
        inside = _link("request_detail", request_id, request_id[:8])
        parts.append(_html('<div title="{}">request {}</div>', request_id, inside))
    if account_sid:
        parts.append(copy.sid(account_sid, "sub"))
    if not parts:
        return _NONE
    inside = SafeString("".join(parts))
    return _html('<td role="cell" data-label="About"><div translate="no">{}</div></td>', inside)


def _link(name: str, value: str, shown: str) -> SafeString:
    """Return a link to a key or request; the plain value where it has not the shape of one."""
    try:
        return _html('<a href="{}"><code>{}</code></a>', reverse(f"portal:{name}", args=[value]), shown)
    except NoReverseMatch:
        return _html("<code>{}</code>", value)


@lru_cache(maxsize=1024)
def _policy(names: tuple[str, ...]) -> SafeString:
    """Return the cell with a policy in words and names. Many events have the same one."""
    sentences = [(one.sentence[:1].upper() + one.sentence[1:], one.risk) for one in explain(names)]
    return _html(
        '<td role="cell" data-label="Permissions"><details><summary>{}<span class="visually-hidden"> {}</span>'
        '</summary><ul class="small">{}</ul><code translate="no">{}</code></details></td>',
        str(len(names)),
        "permission" if len(names) == 1 else "permissions",
        _each("<li>{} ({})</li>", sentences),
        " ".join(names),
    )
