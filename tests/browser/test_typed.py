"""What was typed survives a session that ends, an old token, a reload and Back, for the user who typed it alone."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from .checkout import Demo
from .conftest import Tab
from .test_builder import settled
from .test_secret_once import EVERYWHERE

pytestmark = pytest.mark.browser

PURPOSE = "Typed slowly, over two lines:\nthis is the zweite."
PERMISSION = "/twilio/billing/usage/read"
NOTE = re.compile("is here again")
Window = Callable[..., Tab]


def _type(page: Page) -> None:
    page.goto("/requests/new/")
    page.get_by_label("Twilio account").select_option(index=1)
    page.get_by_label("Name", exact=True).fill("typed-slowly")
    page.get_by_label("Purpose").fill(PURPOSE)
    page.get_by_label("Lifetime in days").fill("17")
    page.get_by_label("Search permissions").fill("usage")
    page.locator(f'.resource input[name=permissions][value="{PERMISSION}"]').check()
    page.get_by_label("Code, a curl command").evaluate("field => { field.value = 'never-to-be-kept'; }")


def _expect_typed(page: Page) -> None:
    expect(page.get_by_label("Purpose")).to_have_value(PURPOSE)
    expect(page.get_by_label("Twilio account")).not_to_have_value("")
    expect(page.get_by_label("Name", exact=True)).to_have_value("typed-slowly")
    expect(page.get_by_label("Lifetime in days")).to_have_value("17")
    expect(page.locator("#chosen-list")).to_contain_text("billing/usage/read")
    expect(page.locator("#chosen-count")).to_contain_text("1/")


def _expect_nothing(page: Page) -> None:
    expect(page.get_by_label("Purpose")).to_have_value("")
    expect(page.locator("#chosen-count")).to_contain_text("0/")
    assert "zweite" not in page.evaluate(EVERYWHERE)


def _sign_out_elsewhere(tab: Tab) -> None:
    other = tab.context.new_page()
    other.goto("/")
    other.locator("[data-menu] > summary").click()
    other.get_by_role("button", name="Sign out").click()
    other.wait_for_url("**/accounts/login/**")
    other.close()


def _sign_in(page: Page, demo: Demo, name: str) -> None:
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(demo.password)
    page.get_by_role("button", name="Sign in").click()


@pytest.fixture
def tab(sign_in: Window, signed_in: dict) -> Tab:
    """A window with a session of its own, which a test may end."""
    signed_in.pop("engineer", None)
    opened = sign_in("engineer")
    signed_in.pop("engineer")
    return opened


def test_it_is_there_after_signing_in_again_and_not_for_another(tab: Tab, demo: Demo):
    page = tab.page
    _type(page)
    _sign_out_elsewhere(tab)
    page.get_by_role("button", name="Send request").click()
    page.wait_for_url("**/accounts/login/**")
    assert "zweite" not in page.evaluate(EVERYWHERE)
    _sign_in(page, demo, "security")
    page.wait_for_url("**/requests/new/")
    _expect_nothing(page)
    expect(page.get_by_text(NOTE)).to_have_count(0)
    _sign_out_elsewhere(tab)
    page.goto("/requests/new/")
    _sign_in(page, demo, "engineer")
    page.wait_for_url("**/requests/new/")
    _expect_typed(page)
    expect(page.get_by_text(NOTE)).to_be_visible()
    note, field = page.get_by_text(NOTE).bounding_box(), page.get_by_label("Twilio account").bounding_box()
    assert note["y"] + note["height"] <= field["y"], "it takes a column of the form"
    page.reload()
    _expect_typed(page)
    page.get_by_role("button", name="Send request").click()
    page.wait_for_url(re.compile(r"/requests/[0-9a-f-]{36}/$"))
    page.goto("/requests/new/")
    _expect_nothing(page)


def test_it_is_there_after_another_tab_signed_in_anew(tab: Tab, demo: Demo):
    page = tab.page
    _type(page)
    _sign_out_elsewhere(tab)
    other = tab.context.new_page()
    other.goto("/accounts/login/")
    _sign_in(other, demo, "engineer")
    other.wait_for_url(f"{demo.url}/")
    page.get_by_role("button", name="Send request").click()
    expect(page.get_by_text(NOTE)).to_be_visible()
    _expect_typed(page)
    page.get_by_role("button", name="Send request").click()
    page.wait_for_url(re.compile(r"/requests/[0-9a-f-]{36}/$"))


def test_it_is_there_after_a_reload_and_after_back_for_an_hour(tab: Tab):
    page = tab.page
    _type(page)
    page.reload()
    _expect_typed(page)
    settled(page)
    assert "never-to-be-kept" not in page.evaluate(EVERYWHERE)
    page.get_by_label("Policy as JSON").fill('{"allow": [')
    page.goto("/keys/")
    assert "zweite" not in page.evaluate(EVERYWHERE)
    page.go_back()
    expect(page.get_by_label("Policy as JSON")).to_have_value('{"allow": [')
    expect(page.locator("#policy-text-error")).to_be_visible()
    expect(page.get_by_label("Purpose")).to_have_value(PURPOSE)
    settled(page)
    assert tab.complaints == []
    page.goto("/keys/")
    page.go_back()
    page.evaluate("""() => {
      addEventListener("beforeunload", () => {
        const { typed } = history.state;
        history.replaceState({ ...history.state, typed: { ...typed, at: typed.at - 3_600_000 } }, "");
      });
    }""")
    page.reload()
    _expect_nothing(page)


def test_what_was_refused_is_there_after_a_reload(tab: Tab):
    page = tab.page
    _type(page)
    page.locator("#request-form").evaluate("form => { form.noValidate = true; }")
    page.get_by_label("Lifetime in days").fill("99999")
    page.get_by_role("button", name="Send request").click()
    expect(page.locator("#error-summary")).to_be_visible()
    page.get_by_label("Lifetime in days").fill("17")
    page.reload()
    _expect_typed(page)


def test_another_user_who_goes_back_sees_nothing(tab: Tab, demo: Demo):
    page = tab.page
    _type(page)
    page.goto("/keys/")
    _sign_out_elsewhere(tab)
    page.goto("/")
    _sign_in(page, demo, "security")
    page.wait_for_url(f"{demo.url}/")
    while not page.url.endswith("/requests/new/"):
        page.go_back()
    _expect_nothing(page)
