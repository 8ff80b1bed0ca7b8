"""Signing in with the company's provider in a real browser, which holds every redirect to the page's content policy."""

import time
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from django.contrib.sessions.models import Session
from django.core.cache import cache
from playwright.sync_api import Browser, Page
from pytest_django.live_server_helper import LiveServer

from keys_app.users.fresh import AUTHENTICATED_AT
from keys_app.users.session_store import SessionStore
from portal.oidc import discovery
from portal.oidc.settings import OpenIdConnect
from tests.cast import Cast, assemble
from tests.oidc.provider import Provider

pytestmark = pytest.mark.usefixtures("database_beside_the_browser")
GROUPS = """
[groups."kp-engineers"]
group = "Engineers"
team = "Payments"
"""


@pytest.fixture
def portal(transactional_db, standin, settings, tmp_path) -> Iterator[tuple[str, Provider]]:
    """A portal, the provider it signs people in with, and a file of groups."""
    live_server = LiveServer("127.0.0.1")  # the fixture of that name would empty the tables with their triggers on
    cache.clear()
    cast: Cast = assemble(standin)
    assert cast.team
    settings.BASE_URL = urlsplit(live_server.url)
    settings.CSRF_TRUSTED_ORIGINS = [live_server.url]
    settings.REAUTHENTICATE_AFTER = 900
    (tmp_path / "groups.toml").write_text(GROUPS)
    with Provider(live_server.url) as provider:
        settings.OIDC = OpenIdConnect(
            provider.issuer, "portal", "only-for-tests", "Example Login", groups_file=tmp_path / "groups.toml"
        )
        discovery.forget()
        yield live_server.url, provider
    live_server.stop()
    discovery.forget()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


def sign_in(page: Page, url: str, to: str = "/") -> None:
    page.goto(f"{url}{to}")
    page.get_by_role("button", name="Sign in with Example Login").click()
    page.wait_for_load_state()


def test_the_whole_way(portal, page, settings):
    url, provider = portal
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)

    provider.says("erin", preferred_username="erin", groups=["kp-engineers"])
    sign_in(page, url, "/keys/")
    assert page.url == f"{url}/keys/"
    assert page.locator(".site-header").get_by_text("erin").first.is_visible()

    for row in Session.objects.all():
        session = SessionStore(row.session_key)
        session[AUTHENTICATED_AT] = time.time() - 5000
        session.save()
    page.goto(f"{url}/accounts/reauthenticate/?next=/keys/")
    page.get_by_role("button", name="Sign in again with Example Login").click()
    page.get_by_text("Signed in again.").wait_for()
    assert page.url == f"{url}/keys/"
    assert complaints == []

    page.goto(f"{url}/accounts/logout/")
    page.locator("main").get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{provider.issuer}/**")
    page.get_by_role("button", name="Yes, sign out").click()
    page.wait_for_url(f"{url}/accounts/login/**")

    provider.says("erin", groups=[])
    sign_in(page, url)
    assert page.get_by_role("heading", name="You have no rights here yet").is_visible()

    page.context.clear_cookies()
    provider.says("erin", _claim_names={"groups": "src1"}, _claim_sources={"src1": {"endpoint": "https://g.example/"}})
    sign_in(page, url)
    assert page.get_by_text("only where to ask for them").is_visible()

    with Provider(url) as other:
        settings.OIDC = replace(settings.OIDC, issuer=other.issuer)
        discovery.forget()
        other.says("erin", groups=["kp-engineers"])
        sign_in(page, url)
        assert page.get_by_text("knows this account from another provider").is_visible()
    kept = str([row.get_decoded() for row in Session.objects.all()])
    assert "csrfmiddlewaretoken" not in kept
    assert "id_token" not in kept
