"""What a page does for the hands and eyes of its reader: what is copied, what is covered, what the keyboard does."""

import itertools

import pytest
from playwright.sync_api import Page, expect

from .test_whole_way import approve, ask, issue

pytestmark = pytest.mark.browser

NUMBERS = itertools.count(1)
COLOUR = "(code) => getComputedStyle(code).webkitTextFillColor"
CLEAR = "rgba(0, 0, 0, 0)"


def issued(sign_in, **options) -> tuple[Page, str, str]:
    engineer, lead = sign_in("engineer"), sign_in("lead")
    name = f"covered-{next(NUMBERS)}"
    url = ask(engineer.page, name)
    approve(lead.page, name)
    page = sign_in("engineer", **options).page if options else engineer.page
    return page, *issue(page, url)


def is_covered(page: Page) -> bool:
    return page.locator("#key-secret").evaluate(COLOUR) == CLEAR


def test_a_secret_is_covered_until_it_is_revealed(sign_in):
    page, _, secret = issued(sign_in)
    assert is_covered(page)
    expect(page.locator("#key-secret")).to_be_visible()
    assert page.locator("#key-secret").text_content() == secret
    page.get_by_role("button", name="Reveal").click()
    assert not is_covered(page)
    page.get_by_role("button", name="Cover").click()
    assert is_covered(page)
    expect(page.get_by_role("button", name="Reveal")).to_be_visible()


@pytest.mark.parametrize("button", ["Copy secret", "curl"])
def test_a_covered_secret_is_copied_and_shown_then(sign_in, button):
    page, _, secret = issued(sign_in)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name=button, exact=True).click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert secret in page.evaluate("navigator.clipboard.readText()")
    assert not is_covered(page)


def test_copying_the_sid_does_not_uncover_the_secret(sign_in):
    page, sid, _ = issued(sign_in)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy SID", exact=True).click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == sid
    assert is_covered(page)


@pytest.mark.parametrize("revealed", [False, True])
def test_a_secret_is_never_printed(sign_in, revealed):
    page, _, _ = issued(sign_in)
    if revealed:
        page.get_by_role("button", name="Reveal").click()
    page.emulate_media(media="print")
    expect(page.locator("#key-secret")).to_be_hidden()
    expect(page.get_by_text("The secret is never printed.")).to_be_visible()
    page.emulate_media(media="screen")
    expect(page.locator("#key-secret")).to_be_visible()


def test_without_javascript_a_secret_can_be_read(sign_in):
    page, _, _ = issued(sign_in, java_script_enabled=False)
    expect(page.locator("#key-secret")).to_be_visible()
    expect(page.get_by_role("button", name="Reveal")).to_have_count(0)
    assert not is_covered(page)


def test_a_feeds_token_is_covered_too(sign_in):
    page = sign_in("security").page
    page.goto("/audit/feeds/")
    page.get_by_label("Name of the system").fill(f"covered-{next(NUMBERS)}")
    page.get_by_role("button", name="Create a token").click()
    assert page.locator("#feed-token").evaluate(COLOUR) == CLEAR
    page.get_by_role("button", name="Reveal").click()
    assert page.locator("#feed-token").evaluate(COLOUR) != CLEAR


@pytest.mark.parametrize("path", ["/keys/", "/audit/"])
def test_a_sid_in_a_list_is_copied_by_its_button(sign_in, path):
    tab = sign_in("security")
    page = tab.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(path)
    button = page.locator("button[data-copy-text]").first
    sid = button.get_attribute("data-copy-text")
    expect(button).to_have_accessible_name(f"Copy SID {sid}")
    box = button.bounding_box()
    assert box and min(box["width"], box["height"]) >= 24
    button.click()
    expect(page.get_by_text("SID copied", exact=True)).to_be_attached()
    assert page.evaluate("navigator.clipboard.readText()") == sid
    assert tab.complaints == []


def test_no_two_boxes_of_the_form_touch(sign_in):
    page = sign_in("engineer").page
    page.goto("/requests/new/")
    touching = page.evaluate("""() => {
        const boxes = [...document.querySelectorAll(
            "#request-form :is(.field, details.way, details.product, .notice, .panel)")].map((box) => [
            box.id || box.textContent.trim().slice(0, 30), box.getBoundingClientRect()]).filter(([, {width}]) => width);
        const near = ([, a], [, b]) => Math.abs(b.top - a.bottom) < 4 && a.left < b.right && b.left < a.right;
        return boxes.flatMap((one) => boxes.filter((other) => near(one, other)).map((other) => [one[0], other[0]]));
    }""")
    assert touching == []
