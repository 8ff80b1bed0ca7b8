"""The list of permissions comes when it is looked into; until then, and where it doesn't come, the form works too."""

import json
import re

import pytest
from playwright.sync_api import Page, Request, Route, expect

from .builder_walk import EXPLICIT, TEMPLATES
from .checkout import ON_SQLITE
from .conftest import Tab
from .test_builder import CALLS, MESSAGES, REPLACED, USAGE, box, describe, press, send, stored, ticks

pytestmark = [pytest.mark.browser, ON_SQLITE]

LIST = re.compile(r"/requests/new/permissions/[0-9a-f]{16}/$")
SENT = """part => performance.getEntriesByType("resource").find((one) => one.name.includes(part)).transferSize"""
PHONE = {"width": 360, "height": 640}


@pytest.fixture
def tab(sign_in) -> Tab:
    return sign_in("engineer")


def complaints(tab: Tab) -> list[str]:
    """Return what the console complains of, besides a summary that was asked for again before it came."""
    return [one for one in tab.complaints if not REPLACED.match(one)]


def asked_for(page: Page) -> list[str]:
    """Return the addresses of the list that are asked for from now on."""
    found: list[str] = []

    def note(request: Request) -> None:
        if LIST.search(request.url):
            found.append(request.url)

    page.on("request", note)
    return found


def refuse(page: Page) -> list[Route]:
    """Let no answer with the list come; return those that were asked for."""
    found: list[Route] = []

    def no(route: Route) -> None:
        found.append(route)
        route.fulfill(status=503, body="Not now.")

    page.route(LIST, no)
    return found


def product(page: Page, name: str):
    return page.locator(f'details[data-product="{name}"]')


def open_product(page: Page, name: str) -> None:
    product(page, name).locator("summary").click()


def test_a_product_comes_when_it_is_opened_and_only_once(tab: Tab):
    page = tab.page
    lists = asked_for(page)
    page.goto("/requests/new/")
    page.wait_for_load_state("networkidle")
    assert not lists
    assert page.locator("#permissions .resource").count() == 0
    open_product(page, "billing")
    box(page, f"{USAGE}read").check()
    open_product(page, "voice")
    box(page, f"{CALLS}read").check()
    assert len(lists) == 1
    assert set(page.locator("#permissions .resource input").evaluate_all("all => all.map((one) => one.value)")) >= set(
        EXPLICIT
    )
    expect(product(page, "voice").locator("[data-selected]")).to_have_text("1")
    describe(page, "opened one by one")
    assert send(page) == {f"{USAGE}read", f"{CALLS}read"}
    assert complaints(tab) == []


def test_the_browser_keeps_the_list_for_the_next_form(tab: Tab):
    page = tab.page
    for turn in range(2):
        page.goto("/requests/new/")
        with page.expect_response(LIST) as answer:
            open_product(page, "voice")
        expect(box(page, f"{CALLS}read")).to_be_visible()
        assert answer.value.status == 200
        assert (page.evaluate(SENT, "/permissions/") == 0) == (turn == 1)


def test_the_list_comes_with_the_first_letter_and_the_search_goes_to_the_top(tab: Tab):
    page = tab.page
    page.set_viewport_size({"width": 1280, "height": 700})
    page.goto("/requests/new/")
    search = page.get_by_label("Search permissions")
    assert search.bounding_box()["y"] > 200
    search.press_sequentially("robocall")
    expect(page.locator("#picker-matches")).to_contain_text("Down to go through them")
    expect(box(page, f"{CALLS}create")).to_be_visible()
    assert 0 <= search.bounding_box()["y"] < 100
    first = page.locator(".resource:visible").first
    assert 0 < first.bounding_box()["y"] < 700
    page.evaluate("scrollBy(0, 400)")
    search.press_sequentially("s none of these")
    expect(page.locator("#picker-matches")).to_contain_text("Nothing matches")
    assert 0 <= search.bounding_box()["y"] < 100
    assert complaints(tab) == []


def test_what_was_chosen_before_the_list_came_is_in_it(tab: Tab):
    """A task is added, ticks are taken back, all before a product was opened."""
    page = tab.page
    page.goto("/requests/new/")
    page.locator("#template-send-sms [data-template=add]").click()
    assert ticks(page) == TEMPLATES["send-sms"]
    expect(page.locator(".product .rest")).to_have_count(0)
    assert ticks(page) == TEMPLATES["send-sms"]
    assert page.locator("[data-chosen-row]").count() == 0
    expect(page.locator("#picker-risk")).to_be_visible()
    expect(page.locator("#template-send-sms [data-state]")).to_have_text("Exactly this")
    page.locator("#undo").click()
    assert ticks(page) == set()
    assert complaints(tab) == []


def test_what_was_ticked_is_there_after_back_without_the_list(tab: Tab):
    page = tab.page
    page.goto("/requests/new/")
    open_product(page, "voice")
    box(page, f"{CALLS}read").check()
    page.goto("/keys/")
    refuse(page)
    page.go_back()
    expect(page.locator("#chosen-list")).to_contain_text("voice/calls/read")
    assert ticks(page) == {f"{CALLS}read"}
    describe(page, "after back")
    assert send(page) == {f"{CALLS}read"}


def test_a_list_that_does_not_come_is_said_at_its_place_and_tried_again(tab: Tab):
    page = tab.page
    lists = refuse(page)
    page.goto("/requests/new/")
    page.locator("#template-send-sms [data-template=add]").click()
    failed = page.locator("#catalogue-failed")
    expect(failed).to_contain_text("What you chose is kept")
    open_product(page, "voice")
    expect(product(page, "voice").locator("#catalogue-failed")).to_be_visible()
    assert ticks(page) == TEMPLATES["send-sms"]
    page.get_by_label("Search permissions").press_sequentially("calls")
    expect(failed).to_be_visible()
    assert len(lists) >= 3
    page.unroute(LIST)
    page.get_by_role("button", name="Try again").click()
    expect(failed).to_be_hidden()
    expect(page.locator("#picker-matches")).to_contain_text("Down to go through them")
    expect(box(page, f"{CALLS}read")).to_be_visible()
    assert ticks(page) == TEMPLATES["send-sms"]


def test_where_it_does_not_come_all_is_on_a_page_of_its_own_and_nothing_is_lost(tab: Tab):
    page = tab.page
    refuse(page)
    page.goto("/requests/new/")
    describe(page, "on a page of its own")
    page.locator("#template-send-sms [data-template=add]").click()
    page.get_by_role("button", name="Show all permissions").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("on a page of its own")
    assert ticks(page) == TEMPLATES["send-sms"]
    open_product(page, "voice")
    box(page, f"{CALLS}read").check()
    assert send(page) == TEMPLATES["send-sms"] | {f"{CALLS}read"}


def test_it_can_be_sent_where_the_list_does_not_come(tab: Tab):
    """Json is looked up by the portal then."""
    page = tab.page
    refuse(page)
    page.goto("/requests/new/")
    describe(page, "without a list")
    page.get_by_label("Policy as JSON").fill(json.dumps({"allow": [f"{CALLS}read", f"{MESSAGES}nonsense"]}))
    expect(page.locator("#policy-text-error")).to_contain_text("is not in the catalogue")
    page.get_by_label("Policy as JSON").fill(json.dumps({"allow": [f"{CALLS}read", "/twilio/voice/nonsense/read"]}))
    expect(page.locator("#chosen-count")).to_have_text("2/100")
    page.get_by_role("button", name="Send request").click()
    expect(page.locator("#error-summary")).to_contain_text("is not in the catalogue")
    page.get_by_role("button", name="Remove /twilio/voice/nonsense/read").click()
    assert send(page) == {f"{CALLS}read"}


def test_json_is_looked_up_in_the_list(tab: Tab):
    page = tab.page
    page.goto("/requests/new/")
    page.get_by_label("Policy as JSON").fill(json.dumps({"allow": ["/twilio/voice/call/read"]}))
    expect(page.locator("#policy-text-error")).to_contain_text("is not in the catalogue")
    page.get_by_role("button", name=f"{CALLS}read").click()
    assert ticks(page) == {f"{CALLS}read"}
    assert complaints(tab) == []


def test_a_search_for_fax_says_that_twilio_no_longer_offers_it(tab: Tab):
    page = tab.page
    page.goto("/requests/new/")
    page.get_by_label("Search permissions").press_sequentially("fax")
    expect(page.locator("#picker-not-here > :visible")).to_contain_text("no longer offers it")


def test_an_old_address_of_the_list_leads_to_the_present_one(tab: Tab):
    page = tab.page
    page.goto("/requests/new/")
    page.evaluate(f"document.getElementById('permissions').dataset.catalogue = '/requests/new/permissions/{'0' * 16}/'")
    open_product(page, "voice")
    expect(box(page, f"{CALLS}read")).to_be_visible()
    assert complaints(tab) == []


def test_on_a_phone_what_is_chosen_stays_in_view(sign_in):
    page = sign_in("engineer", viewport=PHONE).page
    page.goto("/requests/new/")
    line = page.locator("#chosen-line")
    open_product(page, "voice")
    box(page, f"{CALLS}read").check()
    box(page, f"{CALLS}list").check()
    expect(line).to_contain_text("2 chosen")
    expect(line).to_be_in_viewport(ratio=1)
    line.get_by_role("link").click()
    expect(page.get_by_role("heading", name=re.compile("^Chosen"))).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_without_javascript_a_product_is_opened_by_its_button(sign_in):
    page = sign_in("engineer", java_script_enabled=False).page
    page.goto("/requests/new/")
    page.get_by_label("Name", exact=True).fill("no script")
    open_product(page, "voice")
    press(page, "Show all of Voice")
    assert page.url.endswith("#product-voice")
    expect(page.get_by_label("Name", exact=True)).to_have_value("no script")
    box(page, f"{CALLS}read").check()
    press(page, "Use only this: Send messages")
    assert ticks(page) == TEMPLATES["send-sms"]
    open_product(page, "voice")
    box(page, f"{CALLS}read").check()
    describe(page, "no script")
    page.get_by_role("button", name="Send request").click()
    assert stored(page) == TEMPLATES["send-sms"] | {f"{CALLS}read"}
