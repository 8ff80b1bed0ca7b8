"""No page scrolls sideways, and axe finds nothing wrong with any, in both themes: each page about each kind."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Browser

from tests.node_tools import require_node

from .hostile import one_of_each
from .looks import Window, window
from .pages import PAGES, ROLES, administered, reader
from .world import World

PARTS = ["portal:audit_complete"]
"""Answers that are put into a page, and are none."""
DECISION = "admin:keys_app_keyrequest_change"
pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("database_beside_the_browser")]
WIDTHS = (320, 360, 480, 640, 768, 1280)
"""In CSS pixels; 640 is also 1280 at 200 %."""
READS_ALL = {"owner": ("request",), "lead": ("review",), "security": ("key", "unmanaged", "event"), "admin": ()}
"""Whose pages are looked at about each kind there is; of others, one of each page is."""


def read_by(role: str, world: World) -> Iterator[tuple[str, str]]:
    """Return who reads which page: each page about the kinds of the world, and one of each page that is no kind's."""
    seen = set()
    for name, page in PAGES.items():
        if name in PARTS:
            continue
        of_all = page.about in READS_ALL.get(role, ()) or (role, name) == ("lead", DECISION)
        for url, kind in page.addresses(world):
            if page.answers.get(role) == "200" and (of_all or (name, role) not in seen):
                seen.add((name, role))
                yield reader(role, kind, world), url
    alike = {url: re.sub("[0-9]+", "", url) for url in (administered(world) if role == "admin" else ())}
    rest = [url for url in one_of_each(world) if not url.startswith(("/admin/", *map(reverse, PARTS)))]
    firsts = {shape: url for url, shape in reversed(alike.items())}
    yield from ((reader(role, "", world), url) for url in [*firsts.values(), *rest])


def look(world: World, browser: Browser, role: str, see: Callable[[Window], list[str]], **options: Any) -> None:
    """Open each page a role reads and see what is wrong with it; fail with all of it."""
    wrong, pages = [], 0
    with ExitStack() as stack:
        windows: dict[str, Window] = {}
        for who, url in dict.fromkeys(read_by(role, world)):
            if who not in windows:
                windows[who] = stack.enter_context(window(browser, world.clients[who], **options))
            if windows[who].open(url):
                pages += 1
                wrong += [f"{url} as {who}: {found}" for found in see(windows[who])]
    assert pages > 20
    assert not wrong, "\n".join([f"{len(wrong)} on {pages} pages", *wrong])


@pytest.mark.parametrize("role", ROLES)
def test_no_page_scrolls_sideways_or_has_small_print(world, browser, role):
    def see(shown: Window) -> list[str]:
        wide = [f"at {width} {found}" for width in WIDTHS if (found := shown.too_wide(width))]
        return [*wide, *(f"small print: {found}" for found in [shown.small_print()] if found)]

    look(world, browser, role, see)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 412)])
@pytest.mark.parametrize("role", ["owner", "lead", "security", "admin"])
def test_axe_finds_nothing_wrong(world, browser, role, scheme, width):
    require_node("axe-core", "axe")
    look(world, browser, role, Window.violations, color_scheme=scheme, viewport={"width": width, "height": 800})


def answers(world: World) -> Iterator[tuple[str, str, dict[str, object]]]:
    """Return what is pressed, by whom, and with what, where the answer to a press is a page."""
    kinds = world.kinds
    of = {name: reverse(DECISION, args=[kinds[name].request.pk]) for name in ("pending", "half-approved", "glass")}
    yield "engineer", "/requests/new/", {"friendly_name": "", "lifetime_days": "900", "incident": "INC-1"}
    yield "engineer", f"/requests/{kinds['approved'].request.pk}/issue/", {}
    yield "engineer", f"/requests/{kinds['rejected'].request.pk}/issue/", {}
    yield "engineer", f"/requests/{kinds['pending'].request.pk}/comment/", {"comment": ""}
    yield "engineer", f"/keys/{kinds['issued'].key.pk}/revoke/", {"reason": ""}
    yield "engineer", f"/keys/{kinds['issued'].key.pk}/rotate/", {"overlap_hours": "9999"}
    yield "lead", of["pending"], {"decision": "reject", "reason": ""}
    yield "lead", of["pending"], {"decision": "narrow", "keep": "/no/such", "lifetime_days": "x"}
    yield "security", of["half-approved"], {"decision": "approve", "digest": "another"}
    yield "security", of["glass"], {"decision": "review", "reason": ""}
    yield "security", "/audit/feeds/", {"name": "a system"}
    yield "lead", f"/keys/unmanaged/{kinds['nobodys'].unmanaged.pk}/adopt/", {"lifetime_days": "0"}
    for name in ("keys_app/team", "keys_app/account", "keys_app/webhook", "keys_app/approvalrule", "auth/user"):
        yield "admin", f"/admin/{name}/add/", {}
    yield "admin", "/admin/auth/user/invite/", {"people": "x"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_wrong_in_an_answer(world, browser, scheme):
    require_node("axe-core", "axe")
    wrong, shown = [], 0
    with ExitStack() as stack:
        for who, url, fields in answers(world):
            tab = stack.enter_context(window(browser, world.clients[who], color_scheme=scheme))
            answer = tab.client.post(url, fields)
            if answer.status_code in (301, 302):
                wrong.append(f"{url} as {who} with {fields} led elsewhere")
                continue
            shown += 1
            tab.show(url, answer.content)
            wrong += [f"{url} as {who} ({answer.status_code}): {found}" for found in tab.violations()]
    assert not wrong, "\n".join([f"{len(wrong)} on {shown} pages", *wrong])


PICTURES = os.environ.get("PICTURES", "")
"""A folder for a picture of each of these pages, in both themes and widths; `make screenshots` sets it."""


def pictured(world: World) -> Iterator[tuple[str, str, str]]:
    """Return the name of each page that pictures are taken of, who sees it, and its address."""
    kinds, cast = world.kinds, world.cast
    for kind in ("pending", "asked-about", "approved", "issued", "unknown", "rejected"):
        yield f"request-{kind}", "engineer", f"/requests/{kinds[kind].request.pk}/"
    for kind in ("issued", "expiring", "rotated", "drifted"):
        yield f"key-{kind}", "engineer", f"/keys/{kinds[kind].key.pk}/"
    for role in ("engineer", "lead", "security", "stranger"):
        yield f"home-{role}", role, "/"
    yield "form", "engineer", "/requests/new/"
    yield "requests-engineer", "engineer", "/requests/"
    yield "requests-security", "security", "/requests/"
    yield "keys-security", "security", "/keys/"
    yield "left", "lead", "/keys/left/"
    yield "unmanaged", "security", "/keys/unmanaged/"
    yield "unmanaged-key", "security", f"/keys/unmanaged/{kinds['nobodys'].unmanaged.pk}/"
    yield "approvals", "lead", reverse("admin:keys_app_keyrequest_changelist")
    for kind in ("pending", "half-approved", "glass"):
        yield f"decision-{kind}", "security", reverse(DECISION, args=[kinds[kind].request.pk])
    several = "&".join(f"id={kinds[kind].request.pk}" for kind in ("pending", "approval-withdrawn", "asked-about"))
    yield "several", "lead", f"{reverse('admin:keys_app_keyrequest_several')}?{several}"
    yield "review", "lead", "/reviews/2026-Q4/"
    for name in ("audit/", "audit/reports/keys/", "audit/reports/decisions/", "reconciliation/"):
        yield name.strip("/").replace("/", "-"), "security", f"/{name}"
    yield "preferences", "engineer", "/accounts/preferences/"
    yield "no-such-page", "engineer", "/keys/SK00000000000000000000000000000000/"
    yield "admin", "admin", "/admin/"
    for name in ("auth/user", "keys_app/team", "keys_app/account", "keys_app/cataloguepermission"):
        yield f"admin-{name.partition('/')[2]}s", "admin", f"/admin/{name}/"
    yield "admin-user", "admin", f"/admin/auth/user/{cast.people['engineer'].pk}/change/"
    yield "admin-team", "admin", f"/admin/keys_app/team/{cast.team.pk}/change/"
    yield "admin-account", "admin", f"/admin/keys_app/account/{cast.account.pk}/change/"


@pytest.mark.skipif(not PICTURES, reason="takes pictures: make screenshots")
@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures(world, browser, scheme, width):
    Path(PICTURES).mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        windows: dict[str, Window] = {}
        for name, who, url in pictured(world):
            if who not in windows:
                shape = {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}
                windows[who] = stack.enter_context(window(browser, world.clients[who], **shape))
            assert windows[who].open(url), url
            windows[who].page.screenshot(path=f"{PICTURES}/{name}-{scheme}-{width}.png", full_page=True)
