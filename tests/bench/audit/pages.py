"""Pages of the audit against Django's own admin list over the same table, with the filter that asks for the same.

Measured through Django's test client, from the request to the last byte of the answer, the median of several in turns.
"""

import logging
import statistics
import sys
import time
from typing import Any
from urllib.parse import urlencode

REPEAT, PAGE = 7, 50


def prepare(events: int) -> None:
    """Set Django up, with an admin list over the ledger for comparison, migrate, and fill the ledger."""
    import django

    django.setup()
    logging.disable(logging.INFO)
    from django.contrib import admin
    from django.core.management import call_command
    from django.db import connection

    from keys_app.audit.models import AuditEvent

    from .data import fill

    class Compared(admin.ModelAdmin):
        """What somebody would write who wants a searchable list and nothing more."""

        list_display = ["sequence", "time", "actor_name", "action", "account_sid", "key_sid", "reason", "address"]
        search_fields = ["reason", "actor_name", "policy"]
        list_per_page = PAGE

        def lookup_allowed(self, lookup: str, value: str, request: Any) -> bool:
            return True

    admin.site.register(AuditEvent, Compared)
    call_command("migrate", verbosity=0)
    if events:
        fill(connection, events)
        connection.close()  # the next one has the portal's own options, not those of a bulk load


def signed_in() -> Any:
    """Return a browser of somebody who is in Security and, for the admin, a superuser."""
    from django.contrib.auth.models import Group, User
    from django.test import Client

    user = User.objects.create_superuser(f"bench{time.time_ns()}")
    user.groups.add(Group.objects.get(name="Security"))
    client = Client()
    client.force_login(user)
    return client


_MIDNIGHT = "T00:00:00%2B00:00"
# What is looked for, and how the admin is asked for the same.
FILTERS = {
    "first page": ("", ""),
    "action": ("action:key.issued", "action=key.issued"),
    "action, a family": ("action:key.*", "action__startswith=key."),
    "actor": ("actor:person17", "actor_name__icontains=person17+"),
    "account": (f"account:AC{7:032x}", f"account_sid=AC{7:032x}"),
    "team": ('team:"Team 7"', "team=Team+7"),
    "key": (f"key:SK{99:032x}", f"key_sid=SK{99:032x}"),
    "request": (f"request:00000000-0000-4000-8000-{99:012x}", f"request_id=00000000-0000-4000-8000-{99:012x}"),
    "permission": ("permission:/twilio/iam/", "policy__contains=/twilio/iam/"),
    "product": ("product:messaging", "policy__contains=/twilio/messaging/"),
    "risk": ("risk:critical", "risk=critical"),
    "address": ("address:10.3.", "address__startswith=10.3."),
    "created": ("created:2024-03-01..2024-03-31", f"time__gte=2024-03-01{_MIDNIGHT}&time__lt=2024-04-01{_MIDNIGHT}"),
    "free text": ("refund", "q=refund"),
    "free text, rare": ("000099", "canonical__contains=000099"),
    "free text, nothing": ("nowhere", "q=nowhere"),
    "not an action": ("-action:audit.exported", ""),
    "several": (
        "actor:person17 action:key.issued risk:high created:>=2024-01-01",
        "actor_name__icontains=person17+&action=key.issued&risk=high&time__gte=2024-01-01" + _MIDNIGHT,
    ),
}  # fmt: skip


def pages(events: int) -> dict[str, list[str]]:
    """Measure the first page of each search, and page 10,000 with and without one."""
    from keys_app.audit.search.engine import cursor
    from keys_app.audit.search.query import parse

    client, found, first = signed_in(), {}, 0.0
    for name, (line, asked) in FILTERS.items():
        ours, theirs = in_turns(client, f"/audit/?{urlencode({'q': line})}", f"/admin/audit/auditevent/?{asked}")
        first = first or ours
        found[name] = compared(ours, theirs)
    number = min(10_000, events // PAGE)
    for line in ("", "action:key.* -risk:low"):
        place = cursor(parse(line), events - (number - 1) * PAGE + 1)
        url = f"/audit/?{urlencode({'q': line, 'before': place})}"
        ours, theirs = in_turns(client, url, f"/admin/audit/auditevent/?p={number}")
        found[f"page {number:,}" + (", filtered" if line else "")] = compared(ours, theirs)
        found[f"of the first page: page {number:,}" + (", filtered" if line else "")] = [f"{ours / first:.2f}", "", ""]
    return found


def compared(ours: float, theirs: float) -> list[str]:
    return [f"{ours:.1f}", f"{theirs:.0f}", f"{theirs / ours:.1f}"]


def in_turns(client: Any, *urls: str) -> list[float]:
    """Return for each address the median time of its requests in ms, the first one left out."""
    times: list[list[float]] = [[] for _ in urls]
    for _ in range(REPEAT + 1):
        for url, taken in zip(urls, times, strict=True):
            started = time.perf_counter()
            answer = client.get(url)
            taken.append((time.perf_counter() - started) * 1000)
            assert answer.status_code == 200, (url, answer.status_code, answer.content[:2000])
    print(urls[0], [round(statistics.median(taken[1:]), 1) for taken in times], file=sys.stderr)
    return [statistics.median(taken[1:]) for taken in times]
