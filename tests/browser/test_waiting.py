"""Pages that wait follow by themselves: no reload, nothing replaced that someone is at, nothing asked while hidden."""

import re
import time

import pytest
from playwright.sync_api import Page, Route, expect

from .test_approval import ask_for
from .test_whole_way import approve

pytestmark = pytest.mark.browser
SOON = 40_000
"""Longer than two rounds of a page that waits for a user, in milliseconds."""
READ = "/twilio/messaging/messages/read"


def navigations(page: Page) -> list[str]:
    """Note from now on every address the page goes to, by itself or because of a form."""
    seen: list[str] = []
    page.on("framenavigated", lambda frame: seen.append(frame.url) if frame == page.main_frame else None)
    return seen


def look_again(page: Page) -> None:
    """Let the page look now, as it does when it comes back into sight."""
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def test_an_engineer_gets_from_the_sent_request_to_the_stored_secret_without_a_reload(sign_in):
    engineer, lead = sign_in("engineer"), sign_in("lead")
    page = engineer.page
    url = ask_for(page, "no-reload", READ)
    expect(page).to_have_title(re.compile(r"^Waiting for Lena Lead · no-reload · Key portal$"))
    gone_to = navigations(page)
    approve(lead.page, "no-reload")
    expect(page).to_have_title("Approved – issue your key · no-reload · Key portal", timeout=SOON)
    expect(page.locator("#request-status [data-state=approved]")).to_be_visible()
    expect(page.locator("#nav-yours")).to_contain_text(re.compile("[1-9]"))
    page.get_by_role("button", name="Issue key").click()
    expect(page.locator("#key-secret")).to_be_visible()
    assert gone_to == [], "from the sent request to the shown secret the page stays where it is"
    sid = page.locator("#key-sid").inner_text()
    page.get_by_role("button", name="I have stored it").click()
    expect(page.get_by_text("Noted: the secret is stored.")).to_be_visible()
    assert all(sid in one or one == url for one in gone_to), "only the form leads on"
    assert engineer.complaints == []


def test_a_question_turns_up_and_leaves_what_is_being_typed(sign_in):
    engineer, lead = sign_in("engineer"), sign_in("lead")
    page = engineer.page
    url = ask_for(page, "asked-meanwhile", READ)
    page.get_by_label("Write to the other side").fill("I am about to say")
    lead.page.goto(url.replace("/requests/", "/admin/keys_app/keyrequest/") + "change/")
    lead.page.get_by_text("Ask a question").click()
    lead.page.get_by_label("Question").fill("Which host is it for?")
    lead.page.get_by_role("button", name="Ask", exact=True).click()
    expect(lead.page.get_by_text("Asked. The requester is told.")).to_be_visible()
    look_again(page)
    expect(page).to_have_title(re.compile("^Answer needed – Lena Lead asks"), timeout=SOON)
    expect(page.locator("#request-comments")).to_contain_text("Which host is it for?")
    expect(page.get_by_label("Write to the other side")).to_have_value("I am about to say")
    expect(page.get_by_label("Write to the other side")).to_be_focused()
    assert engineer.complaints == []


def test_a_reason_being_typed_stays_while_the_key_changes(sign_in):
    engineer, security = sign_in("engineer"), sign_in("security")
    page = engineer.page
    page.goto("/keys/?state=live")
    page.locator("tbody th a").first.click()
    page.wait_for_url("**/keys/SK*/")
    page.get_by_label("Reason").fill("It is no longer")
    security.page.goto(page.url)
    security.page.get_by_label("Reason").fill("It leaked.")
    security.page.get_by_role("button", name="Revoke key").click()
    expect(security.page.locator("#key-status [data-state]")).not_to_have_attribute("data-state", "active")
    look_again(page)
    expect(page.locator("#key-status [data-state=active]")).to_have_count(0, timeout=SOON)
    expect(page.get_by_label("Reason")).to_have_value("It is no longer")


def test_a_page_out_of_sight_asks_nothing_and_asks_when_it_is_seen_again(sign_in):
    page = sign_in("engineer").page
    ask_for(page, "out-of-sight", READ)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "x-portal-background" in request.headers else None)
    page.evaluate("Object.defineProperty(document, 'hidden', { get: () => true, configurable: true })")
    page.wait_for_timeout(17_000)
    assert asked == []
    page.evaluate("Object.defineProperty(document, 'hidden', { get: () => false, configurable: true })")
    with page.expect_request(lambda request: "x-portal-background" in request.headers, timeout=5000):
        look_again(page)


def test_it_stops_with_a_note_when_the_session_has_ended(sign_in):
    tab = sign_in("engineer")
    ask_for(tab.page, "ended", READ)
    tab.context.clear_cookies()
    look_again(tab.page)
    expect(tab.page.locator("[data-poll-note]")).to_be_visible(timeout=SOON)
    asked: list[str] = []
    tab.page.on("request", lambda request: asked.append(request.url))
    look_again(tab.page)
    tab.page.wait_for_timeout(1000)
    assert asked == []


def test_a_slow_answer_shows_the_time_and_offers_nothing_else(sign_in):
    engineer, lead = sign_in("engineer"), sign_in("lead")
    page = engineer.page
    url = ask_for(page, "slow-answer", READ)
    approve(lead.page, "slow-answer")
    page.goto(url)

    def slowly(route: Route) -> None:
        time.sleep(3)
        route.continue_()

    page.route("**/issue/", slowly)
    page.get_by_role("button", name="Issue key").click(no_wait_after=True)
    expect(page.locator(".busy")).to_have_text(re.compile(r"Asking Twilio… [1-9] s"))
    expect(page.get_by_role("button", name="Cancel request")).to_be_disabled()
    expect(page.locator("#key-secret")).to_be_visible()
    expect(page.locator(".busy")).to_have_count(0)
    assert engineer.complaints == []


def test_home_follows(sign_in):
    engineer, lead = sign_in("engineer"), sign_in("lead")
    ask_for(engineer.page, "seen-at-home", READ)
    engineer.page.goto("/")
    gone_to = navigations(engineer.page)
    approve(lead.page, "seen-at-home")
    look_again(engineer.page)
    row = engineer.page.get_by_role("listitem").filter(has_text="seen-at-home")
    expect(row).to_contain_text("Approved", timeout=SOON)
    assert gone_to == []
