"""The audit for Security: the list with its search, and one event."""

import json
import re
from functools import cache
from urllib.parse import urlencode

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from keys_app.audit import ledger
from keys_app.audit.merkle.inclusion import evidence
from keys_app.audit.search.engine import Search, WrongCursor, cursor, events, place
from keys_app.audit.search.qualifiers import KEYS, TEXT
from keys_app.audit.search.query import Query, QueryError, combine
from keys_app.core.errors import InvalidInput
from keys_app.permissions.catalogue import catalogue
from keys_app.permissions.risk import Risk, explain
from keys_app.reports import suggestions
from keys_app.views.http.decorators import security_only
from keys_app.views.http.signed_in import SignedInRequest

from .rows import facts, rows

PAGE_SIZE = 50
FIELDS = [key for key in KEYS if key != "created"]
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


@require_safe
@security_only
def audit_list(request: SignedInRequest) -> HttpResponse:
    """Show the events of a search, newest first, after the place `before` where given."""
    query, page = Query(), list[ledger.AuditEvent]()
    problems, next_url, error = None, None, ""
    try:
        query = asked(request)
        page, next_url = _page(query, request.GET.get("before", ""))
    except QueryError as wrong:
        problems = wrong
    except WrongCursor as wrong:
        error = wrong.message
    context = {
        "events": page,
        "rows": rows(page),
        "next_url": next_url,
        "query": query,
        "line": request.GET.get("q", "") if problems else query.render(),
        "problems": problems,
        "error": error,
        "is_first": not request.GET.get("before"),
        "form": _fields(request, query, problems),
        "kept": urlencode({"q": query.render()}) if query.terms else "",
        "choices": {"product": _products(), "risk": [(risk.value, risk.capitalize()) for risk in Risk]},
    }
    return render(request, "portal/audit_list.html", context, status=422 if problems or error else 200)


def asked(request: SignedInRequest) -> Query:
    """Return the query of the address: the line `q` and the fields together. Raises `QueryError`."""
    given = request.GET
    fields = [(key, given.get(key, "")) for key in (*FIELDS, TEXT)]
    return combine(given.get("q", ""), [*fields, ("created", _range(given.get("from", ""), given.get("to", "")))])


def _range(first: str, last: str) -> str:
    first, last = first.strip(), last.strip()
    if first and last:
        return f"{first}..{last}"
    return f">={first}" if first else f"<={last}" if last else ""


def _page(query: Query, before: str) -> tuple[list[ledger.AuditEvent], str | None]:
    """Return a page of events, and the address of the next one or None. Raises `WrongCursor`."""
    below = place(query, before) if before else None
    numbers = Search(query).numbers(below=below, limit=PAGE_SIZE + 1)
    found = events(numbers[:PAGE_SIZE])
    page = [found[number] for number in numbers[:PAGE_SIZE] if number in found]
    if len(numbers) <= PAGE_SIZE:
        return page, None
    return page, "?" + urlencode({"q": query.render(), "before": cursor(query, numbers[PAGE_SIZE - 1])})


def _fields(request: SignedInRequest, query: Query, problems: QueryError | None) -> dict[str, str]:
    """Return what the form shows: one value for each field, and in `rest` what no field can show.

    After a mistake everything typed stays as it was.
    """
    if problems:
        return {**{key: request.GET.get(key, "") for key in (*FIELDS, TEXT, "from", "to")}, "rest": ""}
    shown = {key: query.single(key) for key in FIELDS}
    words = [term for term in query.terms if term.key == TEXT and not term.negated]
    shown[TEXT] = " ".join(term.render() for term in words)
    shown["from"], shown["to"] = _days(query.single("created"))
    rest = query.without_singles([*FIELDS, *(["created"] if shown["from"] or shown["to"] else [])])
    shown["rest"] = Query(tuple(term for term in rest.terms if term not in words)).render()
    return shown


def _days(value: str) -> tuple[str, str]:
    """Return a range of whole days as two dates; empty where it is open, both empty where it is something else."""
    sign, first, last = "", value, value
    if ".." in value:
        first, _, last = value.partition("..")
    elif value[:2] in (">=", "<="):
        sign, first, last = value[:2], value[2:], value[2:]
    first = "" if sign == "<=" or first == "*" else first
    last = "" if sign == ">=" or last == "*" else last
    return (first, last) if all(_DAY.fullmatch(day) for day in (first, last) if day) else ("", "")


@cache
def _products() -> SafeString:
    """Return the products as options of a list. The catalogue is read once, too."""
    options = [(one.name, one.title) for one in catalogue().products]
    return format_html_join("", '<option value="{}" label="{}"></option>', options)


@require_safe
@security_only
def audit_complete(request: SignedInRequest) -> HttpResponse:
    """Return how the search line may go on, as options of its list."""
    lines = suggestions.completions(request.GET.get("q", "")[:1000])
    return render(request, "portal/partials/audit_completions.html", {"lines": lines})


@require_safe
@security_only
def audit_event(request: SignedInRequest, sequence: int) -> HttpResponse:
    """Show everything about one event."""
    event = ledger.event(sequence) if sequence < 10**18 else None
    if event is None:
        raise Http404("no such event")
    body = event.body
    size = ledger.size()
    context = {
        "event": event,
        "body": body,
        "facts": facts(event.details),
        "pretty": json.dumps(body, indent=2, ensure_ascii=False, sort_keys=True) if body else event.canonical,
        "evidence": (proof := evidence(event)),
        "leaf_hash": proof.leaf.hex(),
        "reasons": explain(event.permissions),
        "size": size,
        "newer": sequence + 1 if sequence < size else None,
        "older": sequence - 1 if sequence > 1 else None,
        "about": _about(event),
    }
    return render(request, "portal/audit_event.html", context)


def _about(event: ledger.AuditEvent) -> list[tuple[str, str]]:
    """Return searches that go on from an event: what, and the line."""
    found = []
    if event.key_sid:
        found.append(("All events of this key", f"key:{event.key_sid}"))
    if event.request_id:
        found.append(("All events of this request", f"request:{event.request_id}"))
    for what, key, value in (
        ("By the same actor", "actor", str(event.body.get("login") or event.actor_name)),
        ("Same action", "action", event.action),
        ("From the same address", "address", event.address),
    ):
        try:
            found += [(what, combine("", [(key, value)]).render())] if value else []
        except InvalidInput:
            continue  # a name without a letter cannot be searched by
    return found
