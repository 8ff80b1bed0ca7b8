"""A real browser against a real `make demo`, which each test worker starts once, from a clone of its own."""

import os
import re
import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, StorageState, sync_playwright

from .checkout import Demo, copy_checkout, fresh_database

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return a Chromium of this machine. Without one, browser tests are skipped, or fail under CI=true."""
    found = find_chromium()
    if not found and os.environ.get("CI") == "true":
        pytest.fail("no Chromium on this machine, and CI=true needs one")
    if not found:
        pytest.skip("browser tests: no Chromium was found on this machine")
    return found


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    directory = tmp_path_factory.mktemp("clone")
    copy_checkout(directory)
    with fresh_database() as database:
        running = Demo(directory, **database).start()
        yield running
        running.stop()


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield started
        started.close()


CUT_OFF = re.compile(r"htmx:(afterRequest|sendError|sendAbort), \[object HTMLElement\]")
"""How htmx notes that a page which keeps itself up to date was left while it asked. Of no other request: what those
are to replace is a `div`."""


class Tab:
    """A signed-in person's browser window, which notes every console error and policy violation."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.complaints: list[str] = []
        context.on("console", self._note)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        self.page: Page = context.new_page()

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not CUT_OFF.match(message.text):
            self.complaints.append(f"{message.text} at {message.location.get('url')}")


@pytest.fixture(scope="session")
def signed_in() -> dict[str, StorageState]:
    """The cookies of people who signed in once: hashing a password anew for every test is slow on purpose."""
    return {}


@pytest.fixture
def sign_in(browser: Browser, demo: Demo, signed_in: dict[str, StorageState]) -> Iterator[Callable[..., Tab]]:
    """Return a function that opens a window and signs a person in, the first time through the form."""
    contexts: list[BrowserContext] = []

    def open_window(name: str, **options: object) -> Tab:
        known = signed_in.get(name)
        context = browser.new_context(base_url=demo.url, storage_state=known, **options)  # type: ignore[arg-type]
        contexts.append(context)
        tab = Tab(context)
        if known:
            tab.page.goto("/")
            return tab
        tab.page.goto("/accounts/login/")
        tab.page.get_by_label("Username").fill(name)
        tab.page.get_by_label("Password").fill(demo.password)
        tab.page.get_by_role("button", name="Sign in").click()
        tab.page.wait_for_url(f"{demo.url}/")
        signed_in[name] = context.storage_state()
        return tab

    yield open_window
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def database_beside_the_browser() -> Iterator[None]:
    """The browser's driver has a loop in this thread, where Django would refuse every query."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield
