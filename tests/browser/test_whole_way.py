"""A person goes the whole way in a browser: ask, approve, issue, store, audit."""

import re

import pytest
from playwright.sync_api import Page, expect

from .checkout import Demo

pytestmark = pytest.mark.browser


def ask(page: Page, name: str, permission: str = "/twilio/messaging/messages/list") -> str:
    """Fill the request form as a person would, and return the address of the new request."""
    page.get_by_role("link", name="Request a key").first.click()
    page.get_by_label("Twilio account").select_option(index=1)
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Purpose").fill("Send order confirmations.")
    page.get_by_label("Search permissions").press_sequentially("messages")
    page.locator(f'input[name=permissions][value="{permission}"]').check()
    page.get_by_role("button", name="Send request").click()
    page.wait_for_url(re.compile(r"/requests/[0-9a-f-]{36}/$"))
    return page.url


def approve(page: Page, name: str) -> None:
    page.goto("/admin/keys_app/keyrequest/")
    page.get_by_role("link", name=name, exact=True).first.click()
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text(f"“{name}” is approved.")).to_be_visible()


def issue(page: Page, url: str) -> tuple[str, str]:
    """Press “Issue key” and return SID and secret as the dialog shows them."""
    page.goto(url)
    page.get_by_role("button", name="Issue key").click()
    expect(page.locator("#key-secret")).to_be_visible()
    return page.locator("#key-sid").inner_text(), page.locator("#key-secret").inner_text()


def test_it_goes_the_whole_way(sign_in, demo: Demo):
    engineer, lead, security = sign_in("engineer"), sign_in("lead"), sign_in("security")
    url = ask(engineer.page, "whole-way")
    approve(lead.page, "whole-way")
    sid, secret = issue(engineer.page, url)
    assert re.fullmatch(r"SK[0-9a-f]{32}", sid)
    assert len(secret) == 32

    engineer.page.get_by_role("button", name="I have stored it").click()
    expect(engineer.page.get_by_text("Noted: the secret is stored.")).to_be_visible()
    engineer.page.goto("/keys/")
    expect(engineer.page.get_by_role("row").filter(has_text=sid)).to_contain_text("whole-way")

    security.page.goto("/audit/")
    row = security.page.get_by_role("row").filter(has_text="key.issued").first
    expect(row).to_contain_text(sid)
    expect(row).to_contain_text("Erin Engineer")
    assert secret not in security.page.content()
    for tab in (engineer, lead, security):
        assert tab.complaints == []


def test_it_refuses_with_a_message_at_the_field_and_keeps_what_was_typed(sign_in):
    page = sign_in("engineer").page
    page.goto("/requests/new/")
    page.locator("form#request-form").evaluate("form => form.noValidate = true")
    page.get_by_label("Name", exact=True).evaluate("field => field.removeAttribute('maxlength')")
    page.get_by_label("Name", exact=True).fill("n" * 47)
    page.get_by_label("Purpose").fill("Kept as it was typed.")
    page.get_by_role("button", name="Send request").click()
    expect(page.get_by_label("Name", exact=True)).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Name", exact=True)).to_have_value("n" * 47)
    expect(page.get_by_label("Purpose")).to_have_value("Kept as it was typed.")
    expect(page.get_by_text("The name has 47 characters").first).to_be_visible()
    expect(page.get_by_text("Choose at least one permission.").first).to_be_visible()
