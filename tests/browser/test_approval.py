"""The whole approval in a browser: find, ask, narrow, second approval, deputies, several at once, broken glass."""

import re

import pytest
from playwright.sync_api import Page, expect

from .checkout import Demo
from .test_whole_way import issue

pytestmark = pytest.mark.browser

LIST = "/admin/keys_app/keyrequest/"
READ, LISTING = "/twilio/messaging/messages/read", "/twilio/messaging/messages/list"
LOW = "/twilio/messaging/services/read"


def open_in_list(page: Page, name: str) -> None:
    page.goto(f"{LIST}?show=all")
    page.get_by_role("link", name=name, exact=True).first.click()
    expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()


def ask_for(page: Page, name: str, *permissions: str, incident: str = "") -> str:
    """Fill the request form with several permissions, and return the address of the new request."""
    page.goto("/requests/new/")
    page.get_by_label("Twilio account").select_option(index=1)
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Purpose").fill("Send order confirmations.")
    for permission in permissions:
        page.get_by_label("Search permissions").fill("")
        page.get_by_label("Search permissions").press_sequentially(permission.split("/")[3])
        box = page.locator(f'#permissions .resource input[value="{permission}"]')
        box.press("Space")
        expect(box).to_be_checked()
    if incident:
        page.get_by_text("Break glass for an incident").click()
        page.get_by_label("Incident number").fill(incident)
    page.get_by_role("button", name="Send request").click()
    page.wait_for_url(re.compile(r"/requests/[0-9a-f-]{36}/$"))
    return page.url


def test_it_asks_answers_narrows_and_issues(sign_in):
    engineer, lead = sign_in("engineer"), sign_in("lead")
    url = ask_for(engineer.page, "to-narrow", READ, LISTING)

    lead.page.goto(LIST)
    lead.page.get_by_text("Filters", exact=True).click()
    lead.page.get_by_label("Risk", exact=True).select_option("high")
    lead.page.get_by_role("button", name="Search", exact=True).click()
    expect(lead.page.get_by_role("link", name=re.compile("High"))).to_be_visible()  # the chip
    lead.page.get_by_role("link", name="to-narrow", exact=True).click()
    lead.page.get_by_text("Ask a question", exact=True).click()
    lead.page.get_by_label("Question").fill("Do you need the texts?")
    lead.page.get_by_role("button", name="Ask", exact=True).click()
    expect(lead.page.get_by_text("Asked. The requester is told.")).to_be_visible()

    engineer.page.goto(url)
    expect(engineer.page.get_by_text("Do you need the texts?").first).to_be_visible()
    engineer.page.get_by_label("Write to the other side").fill("No, the list is enough.")
    engineer.page.get_by_role("button", name="Send", exact=True).click()
    expect(engineer.page.locator("#thread").get_by_text("No, the list is enough.")).to_be_visible()

    open_in_list(lead.page, "to-narrow")
    expect(lead.page.get_by_text("No, the list is enough.").first).to_be_visible()
    lead.page.get_by_text("Narrow", exact=True).click()
    lead.page.get_by_role("checkbox", name=READ).uncheck()
    lead.page.get_by_label("Lifetime in days").fill("7")
    lead.page.get_by_role("button", name="Approve narrowed").click()
    expect(lead.page.get_by_text("Give a reason.")).to_be_visible()
    expect(lead.page.get_by_role("checkbox", name=READ)).not_to_be_checked()
    expect(lead.page.get_by_label("Lifetime in days")).to_have_value("7")
    lead.page.get_by_label("Reason", exact=True).fill("The list is enough.")
    lead.page.get_by_role("button", name="Approve narrowed").click()
    expect(lead.page.get_by_text("Narrowed. “to-narrow” is approved.")).to_be_visible()

    engineer.page.goto(url)
    expect(engineer.page.get_by_text("By pressing “Issue key” you accept that.")).to_be_visible()
    expect(engineer.page.get_by_text("shortened the lifetime from 90 to 7 days")).to_be_visible()
    sid, _ = issue(engineer.page, url)
    engineer.page.goto(f"/keys/{sid}/")
    assert READ not in engineer.page.locator("main").inner_text()
    assert engineer.complaints == []
    assert [text for text in lead.complaints if "422" not in text] == []  # the browser notes the refusal itself


def test_security_gives_the_second_approval(sign_in):
    engineer, lead, security = sign_in("engineer"), sign_in("lead"), sign_in("security")
    url = ask_for(engineer.page, "makes-keys", "/twilio/iam/api-keys/create")
    open_in_list(security.page, "makes-keys")
    expect(security.page.get_by_text("Lena Lead gives the first approval of 2.").first).to_be_visible()
    expect(security.page.get_by_role("button", name="Approve", exact=True)).to_have_count(0)
    open_in_list(lead.page, "makes-keys")
    lead.page.get_by_role("button", name="Approve", exact=True).click()
    expect(lead.page.get_by_text("Security gives the second approval: Sam Security.")).to_be_visible()
    engineer.page.goto(url)
    expect(engineer.page.get_by_role("button", name="Issue key")).to_have_count(0)
    open_in_list(security.page, "makes-keys")
    expect(security.page.get_by_text("Lena Lead (lead) approved", exact=True)).to_be_visible()
    security.page.get_by_role("button", name="Approve", exact=True).click()
    expect(security.page.get_by_text("“makes-keys” is approved.")).to_be_visible()
    engineer.page.goto(url)
    expect(engineer.page.get_by_role("button", name="Issue key")).to_be_visible()
    for tab in (engineer, lead, security):
        assert tab.complaints == []


def test_a_lead_names_a_deputy_and_ends_it(sign_in):
    lead, engineer = sign_in("lead"), sign_in("engineer")
    lead.page.goto("/")
    lead.page.get_by_role("link", name="Deputies").click()
    today = lead.page.evaluate("new Date().toISOString().slice(0, 10)")
    lead.page.get_by_label("Deputy", exact=True).select_option(label="Erin Engineer (engineer)")
    lead.page.get_by_label("First day").fill(today)
    lead.page.get_by_label("Last day").fill(today)
    lead.page.get_by_role("button", name="Name deputy").click()
    row = lead.page.get_by_role("row").filter(has_text="Erin Engineer")
    expect(row).to_be_visible()
    engineer.page.goto(LIST)
    expect(engineer.page.get_by_role("heading", level=1)).to_contain_text("Approvals")
    row.get_by_role("button", name="End now").click()
    expect(lead.page.get_by_text("Ended.")).to_be_visible()
    assert engineer.page.goto(LIST).status == 403
    assert lead.complaints == []


def test_a_lead_approves_several_of_low_risk(sign_in):
    engineer, lead = sign_in("engineer"), sign_in("lead")
    for name in ("low-one", "low-two"):
        ask_for(engineer.page, name, LOW)
    lead.page.goto(LIST)
    for name in ("low-one", "low-two"):
        row = lead.page.get_by_role("row").filter(has=lead.page.get_by_role("link", name=name, exact=True))
        row.get_by_role("checkbox").check()
    lead.page.get_by_role("button", name="Approve together").click()
    expect(lead.page.get_by_role("heading", name="Approve low-risk requests together")).to_be_visible()
    assert lead.page.locator("main, #content").first.inner_text().count(LOW) >= 2
    lead.page.get_by_role("checkbox", name="low-two").uncheck()
    lead.page.get_by_role("button", name="Approve what is ticked").click()
    expect(lead.page.get_by_text("You approved “low-one”.")).to_be_visible()
    open_in_list(lead.page, "low-two")
    expect(lead.page.get_by_role("button", name="Approve", exact=True)).to_be_visible()
    assert lead.complaints == []


def allow_breaking_glass(page: Page, allow: bool) -> None:
    """Tick the operator's box for the engineer in the team's admin page."""
    page.goto("/admin/keys_app/team/")
    page.get_by_role("link", name="Payments").click()
    row = page.locator("tr.form-row").filter(has_text="engineer in Payments")
    row.locator("input[type=checkbox][name$=may_break_glass]").set_checked(allow)
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/admin/keys_app/team/")


def test_glass_is_broken_and_reviewed(sign_in, demo: Demo):
    engineer, lead, admin = sign_in("engineer"), sign_in("lead"), sign_in("admin")
    allow_breaking_glass(admin.page, True)
    url = ask_for(engineer.page, "for-incident", LISTING, incident="INC-9")
    issue(engineer.page, url)
    allow_breaking_glass(admin.page, False)
    lead.page.goto("/")
    expect(lead.page.get_by_role("heading", name="Glass broken, not reviewed")).to_be_visible()
    lead.page.get_by_role("link", name="for-incident").click()
    lead.page.get_by_label("Reason", exact=True).fill("Looked at the log: fine.")
    lead.page.get_by_role("button", name="Mark as reviewed").click()
    expect(lead.page.get_by_text("“for-incident” is reviewed.")).to_be_visible()
    lead.page.goto("/")
    expect(lead.page.get_by_role("heading", name="Glass broken, not reviewed")).to_have_count(0)
    engineer.page.goto(url)
    expect(engineer.page.get_by_text("Looked at the log: fine.").first).to_be_visible()
    for tab in (engineer, lead):
        assert tab.complaints == []
