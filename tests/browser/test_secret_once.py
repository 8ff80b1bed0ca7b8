"""The secret is on the screen once, and nowhere after that."""

import itertools
import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Dialog, Page, expect

from .conftest import Tab
from .test_whole_way import approve, ask, issue

pytestmark = pytest.mark.browser

EVERYWHERE = """() => JSON.stringify([
    document.documentElement.outerHTML,
    {...sessionStorage}, {...localStorage}, document.cookie, location.href, history.state,
])"""
NUMBERS = itertools.count(1)
Window = Callable[..., Tab]
Shown = tuple[Page, str, str]


def _issued(sign_in: Window, name: str) -> Shown:
    engineer, lead = sign_in("engineer"), sign_in("lead")
    url = ask(engineer.page, name)
    approve(lead.page, name)
    sid, secret = issue(engineer.page, url)
    assert secret in engineer.page.evaluate(EVERYWHERE)
    return engineer.page, sid, secret


def _rotated(sign_in: Window, name: str) -> Shown:
    page, old_sid, _ = _issued(sign_in, name)
    page.get_by_role("button", name="I have stored it").click()
    page.wait_for_url(f"**/keys/{old_sid}/")
    page.get_by_role("button", name="Rotate key").click()
    expect(page.locator("#key-secret")).to_be_visible()
    sid, secret = page.locator("#key-sid").inner_text(), page.locator("#key-secret").inner_text()
    assert sid != old_sid
    assert secret in page.evaluate(EVERYWHERE)
    return page, sid, secret


@pytest.fixture(params=[_issued, _rotated], ids=["issued", "rotated"])
def shown(request: pytest.FixtureRequest, sign_in: Window) -> Shown:
    """A page that shows a new key, with its SID and secret: the first one, or the one after a rotation."""
    return request.param(sign_in, f"once-{next(NUMBERS)}")


def test_it_is_gone_after_a_reload(shown: Shown):
    page, _, secret = shown
    page.reload()
    assert secret not in page.evaluate(EVERYWHERE)


def test_it_is_gone_after_following_a_link_and_coming_back(shown: Shown):
    page, sid, secret = shown
    page.goto("/keys/")
    assert secret not in page.evaluate(EVERYWHERE)
    page.go_back()
    page.wait_for_load_state()
    assert secret not in page.evaluate(EVERYWHERE)
    page.go_forward()
    page.wait_for_load_state()
    assert secret not in page.evaluate(EVERYWHERE)
    page.goto(f"/keys/{sid}/")
    assert secret not in page.evaluate(EVERYWHERE)


def test_it_is_gone_after_the_dialog_is_closed(shown: Shown):
    page, sid, secret = shown
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.locator("#key-secret")).to_be_visible()  # Escape alone never loses it
    page.get_by_role("button", name="Close anyway").click()
    page.wait_for_url(f"**/keys/{sid}/")
    assert secret not in page.evaluate(EVERYWHERE)
    page.go_back()
    page.wait_for_load_state()
    assert secret not in page.evaluate(EVERYWHERE)


def test_it_copies_to_the_clipboard_on_a_click(sign_in):
    page, sid, secret = _issued(sign_in, "copy")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy secret").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == secret
    page.get_by_role("button", name="Copy SID").click()
    expect(page.get_by_role("button", name="Copied")).to_have_count(2)
    assert page.evaluate("navigator.clipboard.readText()") == sid


def test_a_feeds_token_gets_the_same_care(sign_in):
    page, name, asked = sign_in("security").page, f"feed-{next(NUMBERS)}", []
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])

    def create() -> str:
        page.goto("/audit/feeds/")
        page.get_by_label("Name of the system").fill(name)
        page.get_by_role("button", name="Create a token").click()
        token = page.locator("#feed-token").inner_text()
        page.get_by_role("button", name="Copy token").click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()") == token
        return token

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    token = create()
    page.once("dialog", stay)
    page.get_by_role("link", name="Home").click()
    expect(page.locator("#feed-token")).to_have_text(token)
    assert asked == ["beforeunload"]
    page.once("dialog", lambda dialog: dialog.accept())
    page.reload()
    expect(page.get_by_role("rowheader", name=name)).to_have_count(1)
    assert token not in page.evaluate(EVERYWHERE)

    token = create()
    page.on("dialog", stay)
    page.get_by_role("button", name="I have stored it").click()
    expect(page.locator("#feed-token")).to_have_count(0)
    expect(page.get_by_role("rowheader", name=name)).to_have_count(2)
    assert asked == ["beforeunload"] and token not in page.evaluate(EVERYWHERE)


def test_it_works_without_javascript(sign_in):
    engineer, lead = sign_in("engineer", java_script_enabled=False), sign_in("lead")
    page = engineer.page
    page.goto("/requests/new/")
    page.get_by_label("Twilio account").select_option(index=1)
    page.get_by_label("Name", exact=True).fill("no-script")
    page.get_by_label("Purpose").fill("A terminal browser.")
    page.get_by_label("Search permissions").fill("usage")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.get_by_label("Purpose")).to_have_value("A terminal browser.")
    page.locator('input[name=permissions][value="/twilio/billing/usage/read"]').check()
    page.get_by_role("button", name="Send request").click()
    page.wait_for_url(re.compile(r"/requests/[0-9a-f-]{36}/$"))
    approve(lead.page, "no-script")
    _, secret = issue(page, page.url)
    expect(page.get_by_role("button", name="mcp.json")).to_have_count(0)
    assert page.content().count(secret) == 1
    page.get_by_role("button", name="I have stored it").click()
    expect(page.get_by_text("Noted: the secret is stored.")).to_be_visible()
    assert secret not in page.content()


def _copied(page: Page, label: str) -> str:
    page.get_by_role("button", name=label, exact=True).click()
    expect(page.get_by_role("button", name="Copied")).to_have_count(1)
    text = page.evaluate("navigator.clipboard.readText()")
    expect(page.get_by_role("button", name="Copied")).to_have_count(0)
    return text


def test_it_copies_what_is_pasted_elsewhere_and_leaves_no_further_copy(shown: Shown):
    page, sid, secret = shown
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    account = page.locator("#key-snippets").get_attribute("data-account")
    before = page.evaluate(EVERYWHERE)
    assert before.count(secret) == 1

    lines = _copied(page, ".env").splitlines()
    assert lines[0].startswith(f"# Restricted key: account {account} and region US1 only")
    assert lines[1:] == [f"TWILIO_ACCOUNT_SID={account}", f"TWILIO_API_KEY={sid}", f"TWILIO_API_SECRET={secret}"]

    url = f"https://api.twilio.com/2010-04-01/Accounts/{account}/Messages.json?PageSize=1"
    assert _copied(page, "curl") == f" curl -u '{sid}:{secret}' '{url}'"

    server = json.loads(_copied(page, "mcp.json"))["mcpServers"]["twilio"]
    assert server == {"command": "npx", "args": ["-y", "@twilio-alpha/mcp", f"{account}/{sid}:{secret}"]}

    after = page.evaluate(EVERYWHERE)
    assert (after.count(secret), secret in page.title()) == (1, False)
    assert page.locator("#key-secret").inner_text() == secret


def test_it_says_so_where_the_browser_does_not_copy(sign_in):
    page, _, secret = _issued(sign_in, f"refused-{next(NUMBERS)}")
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')) }")
    page.get_by_role("button", name="mcp.json", exact=True).click()
    expect(page.get_by_text("The browser refused to copy. Copy SID and secret by hand.").first).to_be_visible()
    assert page.evaluate(EVERYWHERE).count(secret) == 1
