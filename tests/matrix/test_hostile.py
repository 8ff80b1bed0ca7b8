"""No address of the portal fails over what it is sent: it answers, or refuses with words.

`make test` tries a part, another one at each address. With `EVERY=1`, as in `make fuzz`, each address and method gets
each header and each type, as each role, and each field of each form each type while the others are as they were shown.
"""

import os
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

import pytest
from django.core.cache import cache
from django.db import transaction
from django.test import Client, override_settings
from django.urls import get_resolver

from tests.forms import Form

from .hostile import ANSWERED, HEADERS, METHODS, TYPES, body, kinds_of_fields, nowhere, one_of_each, query, shown
from .pages import ROLES, reader
from .test_complete import _names
from .world import World

EVERY = bool(os.environ.get("EVERY"))
WHO = [*ROLES, None]
OWN_COOKIES = {case for case, headers in HEADERS.items() if "HTTP_COOKIE" in headers}
_QUERY = (
    "q after before at days by key person team all show state search for from to actor next changes_key template "
    "permissions id yours p o term"
)


@pytest.fixture(autouse=True)
def _behind_proxies(settings) -> None:
    settings.TRUSTED_PROXIES, settings.PROXY_ADDRESSES = 2, [ip_network("127.0.0.1"), ip_network("fe80::/10")]


def signed_in(world: World, role: str | None, header: str = "none") -> Client:
    """Return a browser as it was when `role` had signed in, whose every request has these headers."""
    forged = header == "origin and referer"
    client = Client(raise_request_exception=False, enforce_csrf_checks=forged, **HEADERS[header])
    if role and header not in OWN_COOKIES:
        client.cookies = world.clients[reader(role, "", world)].cookies.copy()
    return client


def status_of(client: Client, method: str, url: str, content_type: str, content: bytes) -> int:
    """Send one request, read all of the answer, and take back what it wrote, checkpoints outside the database too."""
    cache.clear()
    whole = transaction.atomic()
    whole._from_testcase = True
    with TemporaryDirectory() as directory, override_settings(CHECKPOINT_DIR=Path(directory)), whole:
        answer = client.generic(method, url, content, content_type)
        try:
            b"".join(answer) if answer.streaming else answer.content
            return answer.status_code
        except Exception as error:  # noqa: BLE001 it is what a browser sees as a cut-off answer
            return 500 if not isinstance(error, AssertionError) else 599
        finally:
            transaction.set_rollback(True)


def told(asked: int, wrong: list[str], record_property) -> None:
    record_property("requests", asked)
    assert asked > 10
    assert not wrong, "\n".join([f"{len(wrong)} of {asked}", *wrong[:40]])


def part(of: list[str], turn: int) -> list[str]:
    """Return a sixth, another one each time; all of them with `EVERY`."""
    return of if EVERY else of[turn % 6 :: 6]


def pairs(start: int) -> Iterator[tuple[str, str]]:
    """Return headers and types in pairs: for `EVERY`, until each was there; else the one whose turn it is."""
    headers = list(HEADERS)
    for step in range(max(len(headers), len(TYPES)) if EVERY else 1):
        yield headers[(start + step) % len(headers)], TYPES[(start * 3 + step) % len(TYPES)]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("role", WHO)
def test_no_address_fails(world, record_property, role, method):
    names = sorted(
        {
            *_QUERY.split(),
            *(name for url, form in shown(world.clients["lead"], ["/requests/new/"]) for name in form.fields),
        }
    )
    wrong, asked = [], 0
    turn = WHO.index(role) * len(METHODS) + METHODS.index(method)
    for place, url in enumerate(part(list(one_of_each(world)), turn)):
        for header, kind in pairs(turn + place):
            to = url if method != "GET" else f"{url}{'&' if '?' in url else '?'}{query(kind, names)}"
            content = ("", b"") if method in ("GET", "HEAD") else body(kind, names)
            status = status_of(signed_in(world, role, header), method, to, *content)
            asked += 1
            wrong += [f"{method} {url}, {header}, {kind}: {status}"] if status not in ANSWERED else []
    told(asked, wrong, record_property)


@pytest.mark.parametrize("role", ["security", "admin"])
def test_no_address_of_a_wrong_type_fails(world, record_property, role):
    wrong, asked = [], 0
    for url in part(sorted(nowhere(world)), len(role)):
        for method in METHODS if EVERY else ("GET", "POST"):
            status = status_of(signed_in(world, role), method, url, "", b"")
            asked += 1
            wrong += [f"{method} {url[:200]}: {status}"] if status not in ANSWERED else []
    told(asked, wrong, record_property)


def _filled(form: Form, button: tuple[str, str], field: str, kind: str) -> tuple[str, bytes]:
    """Return the form as it was shown, with one field of a wrong type."""
    others = [(name, value) for name, values in form.fields.items() if name != field for value in values]
    if button[0] and button[0] != field:
        others.append(button)
    content_type, content = body(kind, [field])
    if content_type.startswith("application/x-www-form-urlencoded"):
        content = urlencode(others).encode() + b"&" + content
    return content_type, content


@pytest.mark.parametrize("role", ["owner", "lead", "security", "admin"] if not EVERY else ROLES)
def test_no_field_of_a_form_fails(world, record_property, role):
    client = world.clients[reader(role, "", world)]
    wrong, asked = [], 0
    for place, (url, form) in enumerate(shown(client, list(one_of_each(world)))):
        for turn, field in enumerate(part(kinds_of_fields(form), place)):
            for step in range(len(TYPES) if EVERY else 1):
                kind = TYPES[(place + turn + step) % len(TYPES)]
                button = form.buttons[(turn + step) % len(form.buttons)] if form.buttons else ("", "")
                content_type, content = _filled(form, button, field, kind)
                to, method = url, form.method.upper()
                if method == "GET":
                    to, content = f"{url.partition('?')[0]}?{content.decode(errors='ignore')}"[:8000], b""
                status = status_of(signed_in(world, role), method, to, content_type, content)
                asked += 1
                wrong += [f"{method} {url}, {field}, {kind}: {status}"] if status not in ANSWERED else []
    told(asked, wrong, record_property)


def test_every_address_is_tried(world):
    """No page is left out: those that are about something are about the first of it."""
    tried = {get_resolver().resolve(url.partition("?")[0]).view_name for url in one_of_each(world)}
    missing = set(_names(get_resolver().url_patterns)) - tried
    by_link = {"account_reset_password_from_key", "emergency_sign_in", "invitation"}
    assert missing <= {"admin:view_on_site", *by_link}, missing
