"""The menu under a user's name, and the theme they choose in it, on the portal's pages and in the admin."""

import pytest
from playwright.sync_api import Page, expect

from .checkout import ON_SQLITE

pytestmark = [pytest.mark.browser, ON_SQLITE]

URLS = ["/", "/admin/"]
DARK = "getComputedStyle(document.body).backgroundColor"


def menu(page: Page):
    return page.locator("details[data-menu]")


def is_dark(page: Page) -> bool:
    red = page.evaluate(f"Number({DARK}.match(/\\d+/)[0])")
    return bool(red < 100)


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("width", [1280, 360])
def test_it_opens_by_keyboard_fits_and_closes(sign_in, url: str, width: int):
    page = sign_in("lead", viewport={"width": width, "height": 740}).page
    page.goto(url)
    menu(page).locator("summary").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Sessions")).to_be_visible()
    box = page.locator(".user-menu-panel").bounding_box()
    assert box
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Profile", exact=True)).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Sessions")).to_be_hidden()
    expect(menu(page).locator("summary")).to_be_focused()
    menu(page).locator("summary").click()
    page.mouse.click(5, 700)
    expect(page.get_by_role("link", name="Sessions")).to_be_hidden()


@pytest.mark.parametrize("url", URLS)
def test_it_works_without_javascript(sign_in, url: str):
    page = sign_in("lead", java_script_enabled=False).page
    page.goto(url)
    menu(page).locator("summary").click()
    page.get_by_role("link", name="Sessions").click()
    expect(page.get_by_role("heading", name="Sessions", exact=True)).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_theme_holds_everywhere_whatever_the_system_has(sign_in, scheme: str):
    tab = sign_in("lead", color_scheme=scheme)
    page = tab.page
    for choice, dark in (("Dark", True), ("Light", False), ("System", scheme == "dark")):
        page.goto("/admin/")
        menu(page).locator("summary").click()
        page.get_by_role("button", name=choice, exact=True).click()
        for url in (*URLS, "/accounts/sessions/", "/nowhere/"):
            page.goto(url)
            assert is_dark(page) == dark, (choice, url)
