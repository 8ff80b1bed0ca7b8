"""Second factors in a browser: a passkey of the browser's own virtual authenticator, an app and a recovery code."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect
from pytest_django.live_server_helper import LiveServer

from tests.cast import Cast
from tests.users.factors import PASSWORD, code_of, with_password

from .conftest import Tab

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("database_beside_the_browser")]
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def served(live_cast: Cast, settings) -> Iterator[str]:
    """The portal at a name: browsers take no passkey for an address that is a number."""
    settings.ALLOWED_HOSTS = settings.HOSTS_WITH_ANY_PORT = ["localhost"]
    settings.REQUIRE_MFA = ["Team leads"]
    server = LiveServer("localhost")
    settings.BASE_URL = urlsplit(server.url)
    settings.CSRF_TRUSTED_ORIGINS = [server.url]
    yield server.url
    server.stop()


def test_a_lead_sets_up_a_passkey_and_an_app_and_signs_in_with_each(browser: Browser, served: str, live_cast: Cast):
    with_password(live_cast.user("lead"))
    context = browser.new_context(base_url=served)
    tab = Tab(context)
    page = tab.page
    devtools = context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})

    def password() -> None:
        page.goto("/accounts/login/")
        page.get_by_label("Username").fill("lead")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()

    def sign_out() -> None:
        page.goto("/accounts/logout/")
        page.locator("main").get_by_role("button", name="Sign out").click()
        page.wait_for_url("**/accounts/login/")

    password()
    page.wait_for_url("**/accounts/2fa/")
    expect(page.get_by_text("Your role needs a second factor")).to_be_visible()
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_role("button", name="Add the passkey").click()
    page.wait_for_url("**/accounts/2fa/recovery-codes/")
    codes = page.locator("#recovery-codes code").all_inner_texts()
    assert len(codes) == 10
    page.goto("/accounts/2fa/totp/activate/")
    expect(page.get_by_role("img", name="QR code")).to_be_visible()
    secret = page.locator("#totp-secret").text_content() or ""
    page.get_by_role("textbox", name="Code").fill(code_of(secret, -1))
    page.get_by_role("button", name="Set it up").click()
    page.wait_for_url("**/accounts/2fa/")
    sign_out()

    password()
    page.get_by_role("button", name="Use your passkey").click()
    page.wait_for_url(f"{served}/")
    sign_out()
    for code in (code_of(secret, 1), codes[0]):
        password()
        page.get_by_role("textbox", name="Code").fill(code)
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.wait_for_url(f"{served}/")
        sign_out()
    password()
    page.get_by_role("textbox", name="Code").fill(codes[0])
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_text("was used before")).to_be_visible()
    assert tab.complaints == []
    context.close()
