"""A real browser that reads the pages of the world: what it asks for is answered by the clients of its people.

Nothing is started: the portal answers in this process, in the transaction that is taken back at the end.
"""

import mimetypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.contrib.staticfiles import finders
from django.test import Client
from playwright.sync_api import Browser, Page, Route

AXE = Path(__file__).resolve().parents[1] / "node" / "node_modules" / "axe-core" / "axe.min.js"
ORIGIN = "http://testserver"

_VIOLATIONS = """async () => (await axe.run(document, {
    resultTypes: ["violations"], rules: {"target-size": {enabled: true}}})).violations.flatMap(
    found => found.nodes
        .filter(node => found.id !== "target-size" || !document.querySelector(node.target[0]).closest(MENU))
        .map(node => `${found.id}: ${node.target.join(" ")} ${node.any[0]?.message ?? ""}`))""".replace(
    "MENU",
    '".site-nav, .tabs"',  # a row that scrolls: what the current item covers is scrolled to
)
_TOO_WIDE = """() => {
    const root = document.documentElement, [all, seen] = [root.scrollWidth, root.clientWidth];
    if (all <= seen) return "";
    const reach = one => one.getBoundingClientRect().left + Math.max(one.scrollWidth, one.offsetWidth || 0);
    const cut = one => one && (getComputedStyle(one).overflowX !== "visible" || cut(one.parentElement));
    const beyond = [...document.body.querySelectorAll("*")].filter(one => reach(one) > seen + 1);
    const worst = beyond.filter(one => !cut(one)).at(-1) ?? beyond.at(-1);
    return `${all} px of ${seen}, by ${worst?.outerHTML.slice(0, 120)}`;
}"""
_SMALL_PRINT = """() => {
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = new Set();
    for (let text = walk.nextNode(); text; text = walk.nextNode()) {
        const one = text.parentElement;
        if (text.data.trim() && one.checkVisibility() && parseFloat(getComputedStyle(one).fontSize) < 12)
            found.add(`${one.tagName} ${one.className} “${text.data.trim().slice(0, 20)}”`);
    }
    return [...found].slice(0, 5).join(", ");
}"""


class Window:
    """One person's browser window, in one theme. What a page asks for by itself is not answered."""

    def __init__(self, page: Page, client: Client) -> None:
        self.page, self.client, self._shown = page, client, ("", b"")
        page.route("**/*", self._answer)

    def _answer(self, route: Route) -> None:
        path, shown = route.request.url.removeprefix(ORIGIN), self._shown
        if path.startswith("/static/") and (file := finders.find(path.removeprefix("/static/").partition("?")[0])):
            kind = mimetypes.guess_type(str(file))[0]
            route.fulfill(body=Path(str(file)).read_bytes(), content_type=kind)
        elif path == shown[0]:
            route.fulfill(body=shown[1], content_type="text/html; charset=utf-8")
        else:
            route.abort()

    def open(self, path: str) -> bool:
        """Open a page; tell whether it is one: not a redirect, and not a download."""
        answer: Any = self.client.get(path)
        if answer.status_code in (301, 302) or not answer.get("Content-Type", "").startswith("text/html"):
            return False
        self.show(path, answer.content)
        return True

    def show(self, path: str, content: bytes) -> None:
        """Show what was answered: asked for here, since queries can't be made where the browser's driver calls back."""
        self._shown = path, content
        self.page.goto(ORIGIN + path)

    def violations(self) -> list[str]:
        """Return what axe finds wrong, each with the element it is about."""
        self.page.add_script_tag(path=AXE)
        return self.page.evaluate(_VIOLATIONS)

    def too_wide(self, width: int) -> str:
        """Return what scrolls sideways at a width in CSS pixels; empty if nothing does."""
        self.page.set_viewport_size({"width": width, "height": 800})
        return self.page.evaluate(_TOO_WIDE)

    def small_print(self) -> str:
        """Return what is written in letters under 12 px, as Lighthouse counts them; empty without any."""
        return self.page.evaluate(_SMALL_PRINT)


@contextmanager
def window(browser: Browser, client: Client, **options: Any) -> Iterator[Window]:
    """Open a window of the person whose client this is; axe needs the policy on scripts out of its way."""
    context = browser.new_context(bypass_csp=True, service_workers="block", **options)
    try:
        yield Window(context.new_page(), client)
    finally:
        context.close()
