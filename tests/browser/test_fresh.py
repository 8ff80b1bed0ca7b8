"""A press that needs a fresh sign-in, in a browser: away, back, and pressed again."""

from collections.abc import Iterator
from urllib.parse import quote, urlsplit

import pytest
from playwright.sync_api import Browser, expect
from pytest_django.live_server_helper import LiveServer

from tests.cast import Cast
from tests.users.stale import stale

from .conftest import Tab

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("database_beside_the_browser")]
PASSWORD = "a-long-enough-passphrase"


@pytest.fixture
def served(live_cast: Cast) -> Iterator[str]:
    """The portal of this test's own process, so that the test can let a sign-in be long ago."""
    server = LiveServer("127.0.0.1")
    yield server.url
    server.stop()


def test_one_signs_in_again_and_presses_again(browser: Browser, served: str, live_cast: Cast, standin):
    key_request = live_cast.approved()
    user = live_cast.people["engineer"]
    user.set_password(PASSWORD)
    user.save()
    live_cast.people["engineer"] = user
    session = stale(live_cast, "engineer").cookies["sessionid"].value
    context = browser.new_context(base_url=served)
    context.add_cookies([{"name": "sessionid", "value": session, "url": served}])
    tab, here = Tab(context), f"/requests/{key_request.pk}/"
    page, asked = tab.page, []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))

    page.goto(here)
    page.get_by_role("button", name="Issue key").click()
    page.wait_for_url(f"**/accounts/reauthenticate/?next={quote(here, safe='')}")
    assert standin.keys() == []
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in again").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in again").click()
    page.wait_for_url(f"**{here}")
    assert urlsplit(page.url).path == here
    expect(page.get_by_text("Signed in again. Nothing was done yet: press the button again.")).to_be_visible()
    page.get_by_role("button", name="Issue key").click()
    expect(page.locator("#key-secret")).to_be_visible()
    assert len(standin.keys()) == 1
    assert (tab.complaints, asked) == ([], [])
    context.close()
