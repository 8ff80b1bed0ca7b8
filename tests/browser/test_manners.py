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


# The keyboard


def test_slash_leads_to_the_search_and_letters_to_pages(sign_in):
    page = sign_in("security").page
    for path, field in (("/keys/", "main [role=search] input"), ("/audit/", "#audit-q"), ("/", None)):
        page.goto(path)
        page.keyboard.press("/")
        if field:
            expect(page.locator(field).first).to_be_focused()
            page.keyboard.type("gk/?j")  # typed, not obeyed
            expect(page.locator(field).first).to_have_value("gk/?j")
            expect(page.locator("dialog")).to_have_count(0)
    for letter, path in (("k", "/keys/"), ("r", "/requests/"), ("u", "/audit/"), ("c", "/reconciliation/"), ("h", "/")):
        page.keyboard.press("g")
        page.keyboard.press(letter)
        page.wait_for_url(f"**{path}")


def test_a_letter_leads_nowhere_where_the_user_may_not_go(sign_in):
    page = sign_in("engineer").page
    page.goto("/keys/")
    for press in ("g", "u", "Control+g", "Alt+k", "k", "g", "x"):
        page.keyboard.press(press)
    page.wait_for_timeout(300)
    assert page.url.endswith("/keys/")


def test_a_question_mark_lists_the_keys_that_work_here(sign_in):
    tab = sign_in("engineer")
    page = tab.page
    page.goto("/keys/")
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_text("Requests", exact=True)).to_be_visible()
    expect(dialog.get_by_text("Audit", exact=True)).to_have_count(0)
    page.keyboard.press("g")
    page.keyboard.press("r")  # they rest while a dialog is open
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.get_by_role("button", name="Keyboard shortcuts").click()
    expect(dialog).to_be_visible()
    assert tab.complaints == []


def test_j_and_k_go_through_a_list_and_enter_opens_the_row(sign_in):
    page = sign_in("security").page
    page.goto("/requests/")
    rows = page.locator("main tbody tr")
    assert rows.count() > 1
    for press, row in (("j", 0), ("j", 1), ("k", 0), ("k", 0)):
        page.keyboard.press(press)
        expect(rows.nth(row).locator("a").first).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/requests/*-*/")


def test_no_key_does_anything_while_a_secret_is_shown(sign_in):
    page, _, secret = issued(sign_in)
    for press in ("g", "k", "?", "/"):
        page.keyboard.press(press)
    page.wait_for_timeout(300)
    assert page.locator("#key-secret").text_content() == secret
    expect(page.get_by_role("dialog")).to_have_count(1)


def test_switched_off_in_preferences_no_key_does_anything(sign_in):
    page = sign_in("lead2").page
    page.goto("/accounts/preferences/")
    page.get_by_label("Keyboard shortcuts").select_option("off")
    page.get_by_role("button", name="Save").click()
    page.goto("/keys/")
    for press in ("?", "/", "g", "r"):
        page.keyboard.press(press)
    page.wait_for_timeout(300)
    assert page.url.endswith("/keys/")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_the_form_is_skipped_to_its_search_and_to_send(sign_in):
    page = sign_in("engineer").page
    for presses, focused in ((2, "#picker-search"), (3, "#send")):
        page.goto("/requests/new/")
        for _ in range(presses):
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.locator(focused)).to_be_focused()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_on_paper_there_is_what_is_to_be_known_and_nothing_to_press(sign_in, theme):
    page = sign_in("engineer", color_scheme=theme).page
    page.goto("/keys/")
    page.locator("main tbody th a").first.click()
    page.get_by_role("heading", name="What the key may do").wait_for()
    page.emulate_media(media="print", color_scheme=theme)
    for hidden in (".site-header", "#key-actions", ".copy >> nth=0"):
        expect(page.locator(hidden)).to_be_hidden()
    for shown in ("main h1", ".policy-list", "main .facts", ".timeline"):
        expect(page.locator(shown).first).to_be_visible()
    ink = page.evaluate("[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]")
    assert ink == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
